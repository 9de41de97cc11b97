"""Names, errors and logs are other people's text: a terminal must not obey them."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.cli.plain_text import plain, plain_json, plain_lines, plain_log
from millrace.cli.rendering import JobProgress
from tests.cli.conftest import Done
from tests.cli.stub_farm import StubFarm

Cli = Callable[..., Done]
TITLE = "\x1b]0;owned\x07"
CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4=\x07"
ATTACKS = [TITLE, CLIPBOARD, "\x1b[2J", "\x9b2J", "a\rb", "a\nb", "\x7f", "\x08\x08", "\u202egpj.exe", "\u2066x"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_terminal_would_obey_is_shown(attack: str) -> None:
    shown = plain(f"job {attack}")
    assert shown.isprintable() and shown.startswith("job ") and "\\" in shown


@pytest.mark.parametrize("name", ["shot 0042", "Straße", "映画", "مشهد", "a\\b", "👩\u200d🚀"])
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert plain(name) == name


@given(st.text())
def test_any_text_is_printable_afterwards(text: str) -> None:
    assert plain(text).replace("\u200c", "").replace("\u200d", "").isprintable()
    assert plain_lines(text).count("\n") == text.count("\n")
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", plain_log(text))


def test_a_log_keeps_its_colours_and_lines_and_nothing_else() -> None:
    assert plain_log(f"\x1b[1;31mred\x1b[0m\r\nten\r20{TITLE}") == "\x1b[1;31mred\x1b[0m\nten\n20\\x1b]0;owned\\x07"


@given(st.dictionaries(st.text(), st.text()))
def test_json_means_the_same_afterwards(value: dict[str, str]) -> None:
    text = plain_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value and not {"\x7f", "\x9b", "\u202e"} & set(text)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_command_lets_a_name_through(stub: StubFarm, cli: Cli, attack: str) -> None:
    job = cli("submit", "sleep", "--name", f"x{attack}y").out.strip()
    stub.jobs[job]["error"] = f"failed{attack}"
    preview = ["retention", "--days", "30", "--preview"]
    for command in (["jobs"], ["show", job], ["--json", "jobs"], ["--json", "show", job], preview):
        done = cli(*command)
        assert done.code == 0 and attack not in done.out, command


@pytest.mark.parametrize("name", ["[/x]", "[bold]x", "[link=file:///etc/passwd]x[/link]", TITLE])
def test_progress_shows_a_name_whatever_it_is(stub: StubFarm, cli: Cli, name: str) -> None:
    """Square brackets are marks to the library that draws: [/x] ended the command."""
    job = cli("submit", "sleep", "--name", name).out.strip()
    stub.jobs[job]["status"] = "completed"
    done = cli("wait", job)
    assert done.code == 0 and plain(name) in done.err and TITLE not in done.err


def test_a_bar_shows_a_name_whatever_it_is(stub: StubFarm, cli: Cli) -> None:
    from millrace import Farm

    job = Farm(stub.url).job(cli("submit", "sleep", "--name", f"[/x]{TITLE}").out.strip())
    with JobProgress() as progress:
        progress.bar.disable, progress.console.file = False, io.StringIO()
        progress.update(job)
        [row] = progress.bar.tasks
        assert plain("[/x]" + TITLE) in row.description.replace("\\[", "[")


def test_on_a_terminal_a_log_is_made_plain_and_in_a_pipe_it_stays(stub: StubFarm, cli: Cli) -> None:
    said = on_a_terminal("from millrace.cli.reading import shown; print(shown('a' + chr(27) + ']0;owned' + chr(7)))")
    assert b"\\x1b]0;owned\\x07" in said and b"\x1b]" not in said
    script = [sys.executable, "-c", "from millrace.cli.reading import shown; print(shown(chr(27) + ']0;x'))"]
    assert subprocess.run(script, capture_output=True, check=True, env=environment()).stdout == b"\x1b]0;x\n"


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def on_a_terminal(script: str) -> bytes:
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", script], stdout=theirs, env=environment())
    os.close(theirs)
    said: list[bytes] = []

    def read() -> None:
        try:
            while block := os.read(ours, 4096):
                said.append(block)
        except OSError:
            pass  # the other end is closed: Linux says so by an error

    reader = threading.Thread(target=read)
    reader.start()
    assert process.wait(60) == 0
    reader.join(10)
    os.close(ours)
    return b"".join(said)
