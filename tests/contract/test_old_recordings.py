"""The exchanges of workers that are out there, kept as they were: a manager must go on answering them.

`tests/dialects/pleiades` replays them against the manager, `tests/worker` against the agent. A change of the protocol
adds recordings; it does not change these. Who must, breaks workers of the last release, and says so in CHANGELOG.md.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

RECORDED = Path(__file__).parent / "native"
AS_RELEASED = json.loads((Path(__file__).parent / "native_0.1.0.json").read_text())
"""File name -> SHA-256 of its content, for the worker protocol of release 0.1.0."""


def test_the_recordings_of_the_last_release_stay_as_they_are() -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in RECORDED.glob("*.json")}
    assert len(AS_RELEASED) >= 10
    changed = {name for name, digest in AS_RELEASED.items() if found.get(name) != digest}
    assert not changed, "a worker of 0.1.0 would not be understood any more"
