"""What each function on Lambda has imported once it has answered its first event: `imports.json` lists it, no less and
no more. Every module more is waited for at each cold start; one that is needed is added to the list, knowingly.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib import rooms
from deploy.build import ROOT

LISTED: dict[str, list[str]] = json.loads(Path(__file__).with_name("imports.json").read_text())


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "rooms.json"
    path.write_text(json.dumps(rooms.index()))
    return path


OFTEN = ("claim", "stream", "schedule")


@pytest.mark.parametrize(
    "name", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.full) for name in sorted(LISTED)]
)
def test_a_function_imports_what_is_listed(name: str, index: Path) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MILLRACE_", "AWS_"))}
    command = [sys.executable, "-m", "tests.packaging.first_event", name, str(index)]
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1].split() == LISTED[name]


def test_the_sweep_knows_no_protocols_and_the_stream_no_models() -> None:
    assert not [name for name in LISTED["schedule"] if "dialects" in name or name.startswith("chalicelib.api")]
    assert not [name for name in LISTED["stream"] if name.startswith(("pydantic", "chalicelib.api", "chalicelib.comp"))]


def test_a_claim_needs_one_protocol_and_only_the_type_of_the_job_it_is_from() -> None:
    assert [name for name in LISTED["claim"] if "dialects" in name] == ["chalicelib.dialects.pleiades"]
    assert not {"chalicelib.api", "chalicelib.compilers.transcode", "chalicelib.dashboard"} & set(LISTED["claim"])


def test_no_pattern_is_two_rooms_own() -> None:
    """`index` refuses that: which room answered would depend on which was asked first."""
    assert len(rooms.index()) == len(rooms.ROOMS)
