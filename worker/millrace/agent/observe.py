"""The agent's own log: a sentence, a stable action name and the ids it is about, one line each on stderr.

Every module of the agent logs through `say`, so that one place decides the form: text, or one JSON object a line where
MILLRACE_LOG is `json`. The action names are a contract: people search and alert by them (docs/runbook.md lists them).
Names and errors come from jobs and programs, so a line break in one is escaped: it cannot begin a line of its own.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from datetime import UTC, datetime

_LOGGER = logging.getLogger("millrace.agent")

INFO = logging.INFO
WARNING = logging.WARNING
ERROR = logging.ERROR
DEBUG = logging.DEBUG


class _LineFormatter(logging.Formatter):
    """`2026-01-05T10:00:00Z INFO claim: Took a task. task=12 generation=3`"""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        return _on_one_line(super().format(record))


class _JsonFormatter(logging.Formatter):
    """`{"at":"2026-01-05T10:00:00.123Z","level":"INFO","action":"claim","message":"Took a task.","lease":"12-3"}`"""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        ids = {key: value for key, value in getattr(record, "ids", {}).items() if value is not None}
        line = {"at": at, "level": record.levelname, "action": getattr(record, "action", None)}
        return json.dumps({**line, "message": getattr(record, "sentence", record.getMessage()), **ids}, default=str)


def _on_one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send the agent's log to stderr; calling it twice changes only the level."""
    if not _LOGGER.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_JsonFormatter() if os.environ.get("MILLRACE_LOG") == "json" else _LineFormatter())
        _LOGGER.addHandler(handler)
    _LOGGER.setLevel(level)


def say(action: str, sentence: str, *, level: int = logging.INFO, **ids: object) -> None:
    """Log `sentence` under the action name `action`, with ids (`task=…, generation=…`) behind it."""
    tail = "".join(f" {key}={value}" for key, value in ids.items() if value is not None)
    _LOGGER.log(level, "%s: %s%s", action, sentence, tail, extra={"action": action, "sentence": sentence, "ids": ids})
