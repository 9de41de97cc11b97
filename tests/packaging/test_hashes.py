"""What goes to Lambda is what the lock says, to the byte, or nothing is built."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.packaging.conftest import ARCHITECTURE, PACKAGE_SECONDS, Package, clean_copy

BUILD = f"from pathlib import Path; from deploy.build import build; build(Path('out'), '{ARCHITECTURE}')"


def refused(project: Path) -> str:
    """What the build of this checkout fails with."""
    (project / "out").mkdir()
    command = [sys.executable, "-c", BUILD]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=2 * PACKAGE_SECONDS)
    assert done.returncode != 0 and "DeployFailed" in done.stderr, done.stderr
    assert not (project / "out" / "millrace.zip").exists()
    return done.stderr


def test_a_file_that_the_lock_does_not_know_stops_the_build(tmp_path: Path, package: Package) -> None:
    """`package`: it is built where the lock is as it should be; skipped without PyPI."""
    lock = clean_copy(tmp_path) / "requirements.lock"
    text, count = re.subn(r"(?s)(annotated-types==\S+ )(.*?)(?=\n[a-z])", _with_other_hashes, lock.read_text(), count=1)
    assert count == 1
    lock.write_text(text)
    said = refused(tmp_path)
    assert "DO NOT MATCH THE HASHES" in said and "annotated-types" in said


def test_a_package_that_the_lock_does_not_name_is_fetched_from_nowhere(tmp_path: Path, package: Package) -> None:
    with (clean_copy(tmp_path) / "requirements.txt").open("a") as requirements:
        requirements.write("click\n")
    assert "click" in refused(tmp_path)


def _with_other_hashes(found: re.Match[str]) -> str:
    return found[1] + re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, found[2])
