"""The server starts itself again with an allocator that its threads share, and is the same program afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.embedded.memory import TUNABLES, tunables

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no glibc")
@pytest.mark.parametrize("processes", ["1", "2"])
def test_no_thread_of_the_server_keeps_memory_for_itself(tmp_path: Path, processes: str) -> None:
    command = [sys.executable, "-m", "chalicelib.embedded", "--port", "0", "--data", str(tmp_path / "a farm")]
    with subprocess.Popen([*command, "--processes", processes], cwd=ROOT, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None and server.stdout.readline().startswith(b"ready ")
            for process in [server.pid, *_children(server.pid)]:
                assert _tunables_of(process) == TUNABLES
        finally:
            server.terminate()
        assert server.wait(20) == 0


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("", "glibc.malloc.arena_max=2:glibc.malloc.tcache_count=0"),
        ("glibc.malloc.check=1", "glibc.malloc.check=1:glibc.malloc.arena_max=2:glibc.malloc.tcache_count=0"),
        ("glibc.malloc.arena_max=8", "glibc.malloc.arena_max=8:glibc.malloc.tcache_count=0"),
        ("glibc.malloc.tcache_count=7:glibc.malloc.arena_max=8", None),
    ],
)
def test_what_an_operator_has_chosen_stands(given: str, wanted: str | None) -> None:
    assert tunables(given) == wanted
    assert wanted is None or tunables(wanted) is None, "the program would start again for ever"


def _children(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _tunables_of(process: int) -> dict[str, str]:
    """As the process was given them; glibc may since have cut the text where it read it, between one and the next."""
    environment = Path(f"/proc/{process}/environ").read_bytes().replace(b"\0glibc.", b":glibc.")
    [line] = [line for line in environment.split(b"\0") if line.startswith(b"GLIBC_TUNABLES=")]
    return dict(setting.split("=") for setting in os.fsdecode(line).partition("=")[2].split(":"))
