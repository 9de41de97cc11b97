"""`millrace doctor` on machines with something wrong, and what `millrace completion` prints."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest

from millrace.runtimes.ffmpeg import find_ffmpeg
from tests.cli.conftest import Done
from tests.cli.stub_farm import StubFarm
from tests.together.ensemble import ROOT

Cli = Callable[..., Done]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`programs(blender="echo Blender 4.2")`: programs of that name that do this, and no others on the PATH."""
    find_ffmpeg.cache_clear()
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def make(**scripts: str) -> None:
        for name, script in scripts.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)

    make(ffmpeg="echo 'ffmpeg version 7.1 Copyright (c) 2000'", blender="echo Blender 4.2.0")
    yield make
    find_ffmpeg.cache_clear()  # it remembers for as long as the process lives


def findings(cli: Cli) -> dict[str, dict[str, Any]]:
    return {one["what"]: one for one in json.loads(cli("doctor", "--json").out)}


def test_a_healthy_machine_has_no_problems(cli: Cli, programs: Callable[..., None]) -> None:
    done = cli("doctor")
    assert done.code == 0, done
    assert "ffmpeg: ffmpeg version 7.1" in done.out and "blender: Blender 4.2.0" in done.out
    assert "farm: stub 0 at http" in done.out and "clock: as the farm's" in done.out


def test_a_machine_without_blender_is_told_and_is_no_worse(
    cli: Cli, programs: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millrace.runtimes.blender.find_blender", lambda: None)
    assert cli("doctor").code == 0
    found = findings(cli)["blender"]
    assert found["level"] == "note" and "MILLRACE_BLENDER" in found["remedy"]


def test_a_program_that_does_not_run_is_a_problem(cli: Cli, programs: Callable[..., None]) -> None:
    programs(blender="echo 'libfoo.so.1: cannot open shared object file' >&2; exit 127")
    found = findings(cli)["blender"]
    assert found["level"] == "problem" and "exit code 127: libfoo.so.1" in found["text"]
    assert cli("doctor").code == 1


def test_a_full_disk_is_a_problem(cli: Cli, programs: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12 - 10**8, 10**8))
    assert findings(cli)["disk"]["level"] == "problem"


def test_a_farm_that_is_not_there_is_a_problem(
    cli: Cli, programs: Callable[..., None], free_port: Callable[[], int]
) -> None:
    done = cli("doctor", "--farm", f"http://127.0.0.1:{free_port()}")
    assert done.code == 1
    assert "problem  farm: no farm answers" in done.out and "MILLRACE_URL" in done.out


def test_a_closed_farm_asks_for_a_token(stub: StubFarm, cli: Cli, programs: Callable[..., None]) -> None:
    stub.token = "secret"
    assert "MILLRACE_TOKEN" in findings(cli)["farm"]["remedy"]


def test_a_clock_that_is_off_is_a_problem(stub: StubFarm, cli: Cli, programs: Callable[..., None]) -> None:
    stub.date = "Thu, 01 Jan 2026 00:00:00 GMT"
    found = findings(cli)["clock"]
    assert found["level"] == "problem" and "s ahead of the farm's" in found["text"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completions(cli: Cli, shell: str) -> None:
    done = cli("completion", shell)
    assert done.code == 0 and f"_MILLRACE_COMPLETE={shell}_complete" in done.out


def test_commands_types_and_options_are_completed() -> None:
    def completed(*words: str) -> list[str]:
        line = {"COMP_WORDS": " ".join(("millrace", *words)), "COMP_CWORD": str(len(words))}
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "worker"), "_MILLRACE_COMPLETE": "bash_complete", **line}
        command = [sys.executable, "-m", "millrace.cli"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        return [word.partition(",")[2] for word in done.stdout.splitlines()]

    assert "doctor" in completed("d") and "download" in completed("d")
    assert completed("submit", "blender-render-") == ["blender-render-tiles"]
    assert "--chunk" in completed("submit", "frames", "--c")


def test_a_token_that_the_farm_does_not_know_is_named(
    stub: StubFarm, cli: Cli, programs: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.auth, stub.token = "token", "secret"
    monkeypatch.setenv("MILLRACE_TOKEN", "another")
    assert "no token of this farm" in findings(cli)["token"]["text"]
    monkeypatch.setenv("MILLRACE_TOKEN", "secret")
    assert "token" not in findings(cli)


def test_a_machine_that_has_joined_needs_no_token(stub: StubFarm, cli: Cli, programs: Callable[..., None]) -> None:
    stub.auth = "token"
    from millrace.agent.state import default_state_root

    assert "--join" in findings(cli)["token"]["remedy"]
    folder = default_state_root(stub.url, socket.gethostname())
    folder.mkdir(parents=True)
    (folder / "token.json").write_text('{"token": "mr_x"}')
    assert findings(cli)["token"]["level"] == "ok"


def test_the_way_to_the_farm_is_told_without_its_password(
    cli: Cli, programs: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://artist:secret@127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    done = cli("doctor", "--farm", "https://farm.test")
    assert "proxy: calls to the farm go through http://127.0.0.1:9" in done.out and "secret" not in done.out
    assert certifi.where() in done.out
    (tmp_path / "no.pem").write_text("nothing")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "no.pem"))
    done = cli("doctor", "--farm", "https://farm.test")
    assert done.code == 1 and "holds no certificates" in done.out
