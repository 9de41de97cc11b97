"""The recorded exchanges of the protocols: `tests/contract/<dialect>/*.json`, and with workers in `worker/` below."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def recordings(place: str) -> list[Path]:
    """Those of a dialect (`flamenco1`), or with its workers (`flamenco1/worker`), by name."""
    return sorted((FOLDER / place).glob("*.json"))


def read(path: Path, **known: str) -> dict[str, Any]:
    """`known` stands for what the recording names `$…` and the farm has already."""
    text = path.read_text()
    for name, value in known.items():
        text = text.replace(f"${name}", value)
    recording: dict[str, Any] = json.loads(text)
    return recording
