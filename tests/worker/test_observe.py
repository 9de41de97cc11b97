"""The agent's log: one line for each thing said, whatever is in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from millrace.agent import observe
from millrace.agent.observe import say

FORGED = "x\n2026-01-05T10:00:00Z ERROR register: The farm was taken over.\x1b[2J\r\u2028"


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """What goes to stderr, through the handler that the worker itself sets up."""
    before, level = list(observe._LOGGER.handlers), observe._LOGGER.level
    observe._LOGGER.handlers.clear()
    yield capsys
    observe._LOGGER.handlers[:] = before
    observe._LOGGER.setLevel(level)


def test_a_name_or_an_error_cannot_begin_a_line_of_its_own(written: pytest.CaptureFixture[str]) -> None:
    observe.log_to_stderr()
    say("end", f"Task {FORGED} failed.", error=FORGED, lease="7-1")
    [line] = written.readouterr().err.splitlines()
    assert line.isprintable() and line.endswith("lease=7-1") and line.count("\\n2026") == 2


def test_json_lines_have_the_action_and_every_id_as_a_field(
    written: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_LOG", "json")
    observe.log_to_stderr()
    say("end", f"Task {FORGED} failed.", level=logging.WARNING, error=FORGED, lease="7-1", pids=[1, 2], none=None)
    [line] = written.readouterr().err.split("\n")[:-1]
    said = json.loads(line)
    assert said.pop("at").endswith("Z")
    assert said == {
        "level": "WARNING",
        "action": "end",
        "message": f"Task {FORGED} failed.",
        "error": FORGED,
        "lease": "7-1",
        "pids": [1, 2],
    }
