"""What this farm has for a new worker: the wheel, and the lock file with the hashes of all that the wheel needs.

- A package for Lambda brings both in `served/`, put there by `deploy/build.py`: they are of the manager's own release,
  and go back with it if an update is rolled back.
- A checkout makes the wheel of its `worker/` folder, once per process.
- `MILLRACE_WORKER_WHEEL` names another wheel, for a farm that keeps its workers at a release of its own choice.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import NotFound
from .packing import Wheel, packed

HERE = Path(__file__).resolve().parent
SERVED = HERE / "served"
WORKER = HERE.parents[1] / "worker"
LOCK = "requirements.lock"
NOTHING = (
    "this farm was put together without the worker's wheel (a plain `chalice deploy` leaves it out); "
    "install it from a checkout: pip install ./worker"
)


@dataclass(frozen=True)
class Served:
    wheel: Wheel
    lock: str


@functools.lru_cache(maxsize=4)
def found(chosen: Path | None = None) -> Served:
    """`chosen`: the setting. Raises NotFound where there is none."""
    own = None if chosen is None else _read_chosen(chosen)
    try:
        [packaged] = SERVED.glob("*.whl")
        return Served(own or _read(packaged), (SERVED / LOCK).read_text())
    except (OSError, ValueError):
        pass
    try:
        return Served(own or packed(WORKER), (WORKER / LOCK).read_text())
    except (OSError, KeyError, ValueError):
        raise NotFound(NOTHING) from None


def _read_chosen(path: Path) -> Wheel:
    try:
        return _read(path)
    except OSError as error:  # it was there when the farm was started; strangers need not know the folder
        raise NotFound(f"MILLRACE_WORKER_WHEEL names {path.name}, which cannot be read: {error.strerror}") from None


def _read(path: Path) -> Wheel:
    return Wheel(path.name, path.read_bytes())
