"""The list of parts names everything that the lock pins, and is the same for the same lock."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from deploy.bill import LOCK, ROOT, bill


@pytest.mark.parametrize("lock", [LOCK, ROOT / "worker" / "requirements.lock"])
def test_everything_that_is_pinned_is_listed_with_all_its_hashes(lock: Path) -> None:
    text = lock.read_text()
    listed = json.loads(bill(lock))
    named = {(part["name"], part["version"]) for part in listed["components"]}
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.M)
    pinned = {(name.lower().replace("_", "-"), version) for name, version in pins}
    assert named == pinned and len(pinned) >= 5
    files = [file for part in listed["components"] for file in part["externalReferences"]]
    hashes = {one["content"] for file in files for one in file["hashes"]}
    assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", text))
    assert {part["purl"] for part in listed["components"]} == set(listed["dependencies"][0]["dependsOn"])


def test_the_same_lock_gives_the_same_bytes(tmp_path: Path) -> None:
    copy = tmp_path / "requirements.lock"
    copy.write_bytes(LOCK.read_bytes())
    assert bill(copy) == bill()


def test_a_lock_that_pins_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("# nothing\n")
    with pytest.raises(ValueError, match="pins nothing"):
        bill(tmp_path / "empty")
