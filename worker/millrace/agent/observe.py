"""The agent's own log: a sentence, a stable action name and the ids it is about, one line each on stderr.

Every module of the agent logs through `say`, so that one place decides the form. The action names are a contract:
people search and alert by them.
"""

from __future__ import annotations

import logging
import sys
import time

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


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send the agent's log to stderr; calling it twice changes only the level."""
    if not _LOGGER.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_LineFormatter())
        _LOGGER.addHandler(handler)
    _LOGGER.setLevel(level)


def say(action: str, sentence: str, *, level: int = logging.INFO, **ids: object) -> None:
    """Log `sentence` under the action name `action`, with ids (`task=…, generation=…`) behind it."""
    tail = "".join(f" {key}={value}" for key, value in ids.items() if value is not None)
    _LOGGER.log(level, "%s: %s%s", action, sentence, tail, extra={"action": action, "ids": ids})
