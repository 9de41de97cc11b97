"""How the manager's log looks: text for people, or with MILLRACE_LOG=json one JSON object a line for programs.

Called once by each process that has a log of its own (`embedded/serving`), and by Lambda's, whose runtime writes the
log (`edge/current`). Names, paths and errors come from outside, so a line break in a message is escaped and a traceback
is indented: nobody outside begins a line of our log. What stands in `extra` (action, job, task, path) becomes a field
of the object, and so does the id of the request under way (`request_ids`).

Loggers are named after modules: Chalice takes the one named after the app, with all below it, for itself.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from ..core import trace
from . import request_ids

REQUESTS = "chalicelib.requests"
"""Logs a line for each request; on Lambda for those alone that were refused or that other lines are about."""
APP = "millrace"
"""Chalice's logger: the app's name."""
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def set_up(form: str) -> None:
    """Everything from INFO on, on stderr, in that form. `json` adds a line for each request and each attempt."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    _follow(form)


def set_up_on_lambda(form: str) -> None:
    """The runtime has put up its handler; with log format JSON (`infra/functions.yaml`) it writes what stands in
    `extra` as fields, and `requestId`, the call's own id. Added is the id that the client gave its request.

    Chalice's logger joins: it printed tracebacks as text, which became a line of the log for each of theirs.
    """
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    for handler in root.handlers:
        handler.addFilter(_with_request)
    _follow(form)
    chalice = logging.getLogger(APP)
    chalice.handlers.clear()
    chalice.propagate = True


def _follow(form: str) -> None:
    for name in (REQUESTS, trace.LOGGER):
        logging.getLogger(name).setLevel(logging.INFO if form == "json" else logging.WARNING)


def _with_request(record: logging.LogRecord) -> bool:
    if (request := request_ids.current()) is not None:
        record.request = request
        request_ids.told()
    return True


class TextLines(logging.Formatter):
    """`2026-01-05 10:00:00,123 INFO stopping`, and below it, indented, the traceback of what failed."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        return _on_one_line(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        line, *further = super().format(record).split("\n")
        return "\n".join([line, *(f"  {_on_one_line(text)}" for text in further)])


class JsonLines(logging.Formatter):
    """`{"at":"2026-01-05T10:00:00.123Z","level":"INFO","message":"stopping","action":"server_stopping",...}`"""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"at": at, "level": record.levelname, "message": record.getMessage(), **_fields(record)}
        if (request := request_ids.current()) is not None:
            line["request"] = request
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _OWN}


def _on_one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
