"""The calls to a worker of the push generation, as its own HTTP server takes them. Any of them may go unanswered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ...core.errors import BadInput
from ...edge.json_text import strict_json
from ...edge.push import Answer, Pusher, PushFailed
from . import documents
from .fleet import Member
from .handing import Handed

INFO_SECONDS, CALL_SECONDS, RUN_INFO_SECONDS = 0.5, 1.0, 3.0
"""`/run_info` samples the CPU for a second before it answers."""
FORM = "application/x-www-form-urlencoded"


def info(pusher: Pusher, member: Member) -> Mapping[str, Any] | None:
    """What the worker says of itself; None if it cannot be reached, or says nothing that can be read."""
    return _asked(pusher, member, "/info", INFO_SECONDS)


def run_info(pusher: Pusher, member: Member) -> Mapping[str, Any] | None:
    """What it says of its machine."""
    return _asked(pusher, member, "/run_info", RUN_INFO_SECONDS)


def execute(pusher: Pusher, member: Member, handed: Handed) -> Answer:
    """Raises PushRefused, and PushFailed when the worker may have begun all the same."""
    body = urlencode(documents.pushed_form(handed)).encode()
    return pusher.send(member.url + "/execute_task", "POST", {"Content-Type": FORM}, body, CALL_SECONDS)


def kill(pusher: Pusher, member: Member) -> bool:
    """`/kill`, as the program has it, or `/kill/{pid}`, as its document has it, where that is not there."""
    try:
        answer = _delete(pusher, member, "/kill")
        if answer.status == 404:
            said = _asked(pusher, member, "/pid", CALL_SECONDS) or {}
            pid = said.get("pid")
            answer = _delete(pusher, member, f"/kill/{pid if isinstance(pid, int) else 0}")
    except PushFailed:
        return False
    return answer.status < 300


def _delete(pusher: Pusher, member: Member, path: str) -> Answer:
    return pusher.send(member.url + path, "DELETE", {}, timeout_seconds=CALL_SECONDS)


def _asked(pusher: Pusher, member: Member, path: str, seconds: float) -> Mapping[str, Any] | None:
    try:
        answer = pusher.send(member.url + path, "GET", {}, timeout_seconds=seconds)
        said = strict_json(answer.body) if answer.status == 200 else None
    except (PushFailed, BadInput):
        return None
    return said if isinstance(said, dict) else None
