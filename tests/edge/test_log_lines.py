"""The manager's log: nobody outside begins a line of it, and programs can read it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from chalicelib.config import BadSettings, settings_from
from chalicelib.core import trace
from chalicelib.edge import log_lines, request_ids

FORGED = "/x\n2026-01-05 10:00:00,000 INFO admin token: mr_forged\x1b[2J\r\u2028"
LOG = logging.getLogger("tests.log_lines")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in (log_lines.REQUESTS, trace.LOGGER):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_what_a_request_holds_cannot_begin_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    log_lines.set_up("text")
    LOG.warning("no such path: %s", FORGED)
    [line] = capsys.readouterr().err.splitlines()
    assert line.isprintable() and "\\n2026" in line


def test_a_failure_still_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    log_lines.set_up("text")
    try:
        raise ValueError(FORGED)
    except ValueError:
        LOG.exception("failed")
    first, second, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith("ERROR failed") and second == "  Traceback (most recent call last):"
    assert "  2026-01-05 10:00:00,000 INFO admin token: mr_forged\\x1b[2J\\r\\u2028" in rest
    assert all(line.startswith("  ") and line.isprintable() for line in rest)


def test_json_lines_hold_every_field_and_the_request(capsys: pytest.CaptureFixture[str]) -> None:
    log_lines.set_up("json")
    with request_ids.serving("k17"):
        LOG.info("swept %d", 3, extra={"action": "swept", "path": FORGED})
    LOG.info("idle")
    first, second = (json.loads(line) for line in capsys.readouterr().err.split("\n")[:-1])
    assert first.pop("at").endswith("Z") and second.pop("at")
    assert first == {"level": "INFO", "message": "swept 3", "action": "swept", "path": FORGED, "request": "k17"}
    assert second == {"level": "INFO", "message": "idle"}


@pytest.mark.parametrize("named", [None, "", "x" * 65, FORGED, "a b", '"'])
def test_an_id_that_could_not_stand_in_a_log_is_replaced(named: str | None) -> None:
    with request_ids.serving(named) as found:
        assert found != named and found.isalnum() and request_ids.current() == found
    assert request_ids.current() is None


def test_another_form_is_refused_by_name() -> None:
    assert settings_from({"MILLRACE_LOG": "json"}).log == "json"
    with pytest.raises(BadSettings, match="MILLRACE_LOG must be one of text, json, not 'xml'"):
        settings_from({"MILLRACE_LOG": "xml"})
