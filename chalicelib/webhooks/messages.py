"""What a webhook is told, as bytes and headers. Pure. The shapes stand in docs/webhooks.md."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..core.hooks import Event
from ..core.model import Job, Worker
from ..core.records.hooks import Delivery, Hook
from ..edge.clock import time_text

LONGEST_MAIL_SUBJECT = 200


def about_job(job: Job) -> dict[str, Any]:
    return {
        "job": {
            "id": str(job.id),
            "name": job.name,
            "type": job.type,
            "owner": job.owner,
            "status": job.status.value,
            "counts": dict(job.counts),
            "error": job.error,
            "created_at": time_text(job.created_at),
            "started_at": time_text(job.started_at),
            "finished_at": time_text(job.finished_at),
        }
    }


def about_worker(worker: Worker) -> dict[str, Any]:
    return {
        "worker": {
            "id": str(worker.id),
            "name": worker.name,
            "address": worker.address or None,
            "last_contact_at": time_text(worker.last_contact_at),
        }
    }


def body(hook: Hook, delivery: Delivery, farm_name: str) -> bytes:
    about = json.loads(delivery.about)
    told = {"id": delivery.id, "event": delivery.event, "time": time_text(delivery.at), "farm": farm_name, **about}
    message = {"text": f"{farm_name}: {_sentence(delivery.event, about)}"} if hook.format == "slack" else told
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def mail(delivery: Delivery, farm_name: str) -> tuple[str, str]:
    """(subject, text). What a stranger named is in the subject without anything that could end its line."""
    about = json.loads(delivery.about)
    subject, words = _subject(about), _words(delivery.event)
    lines = [f"{farm_name}: {words.format(subject['name'])}", ""]
    lines += [f"{name}: {value}" for name, value in _mail_facts(about) if value not in (None, "")]
    lines += [
        "",
        f"{delivery.event} at {time_text(delivery.at)}",
        f"Delivery {delivery.id}: the same if it comes twice.",
    ]
    return _one_line(lines[0])[:LONGEST_MAIL_SUBJECT], "\n".join(lines) + "\n"


def _mail_facts(about: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    subject = _subject(about)
    yield ("Job" if "job" in about else "Worker"), subject["id"]
    for title in ("type", "owner", "error", "started_at", "finished_at", "address", "last_contact_at"):
        yield title.replace("_at", "").replace("_", " ").capitalize(), subject.get(title)
    if counts := subject.get("counts"):
        yield "Tasks", ", ".join(f"{count} {status}" for status, count in counts.items() if count)


def _one_line(text: str) -> str:
    """Control characters, and Unicode's own ends of lines, become spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def headers(hook: Hook, delivery: Delivery, content: bytes, now: int) -> Mapping[str, str]:
    """The signature covers time and body, so that a recorded call is worth nothing later."""
    seconds = str(now // 1000)
    return {
        "Content-Type": "application/json",
        "User-Agent": "Millrace",
        "Millrace-Event": delivery.event,
        "Millrace-Delivery": delivery.id,
        "Millrace-Timestamp": seconds,
        "Millrace-Signature": f"v1={signature(hook.secret, seconds, content)}",
    }


def signature(secret: str, seconds: str, content: bytes) -> str:
    return hmac.new(secret.encode(), f"{seconds}.".encode() + content, hashlib.sha256).hexdigest()


def _sentence(event: str, about: Mapping[str, Any]) -> str:
    subject = _subject(about)
    words = _words(event).format(f"*{_plain(subject['name'])}*")
    error = subject.get("error") if event == Event.JOB_FAILED else None
    return f"{words}: {_plain(error)}" if error else words


def _words(event: str) -> str:
    """With a place for the name."""
    return {
        Event.JOB_COMPLETED: "job {} is completed",
        Event.JOB_FAILED: "job {} has failed",
        Event.JOB_CANCELED: "job {} was canceled",
        Event.WORKER_LOST: "worker {} has fallen silent",
        Event.WORKER_ERROR: "worker {} is in error",
    }[Event(event)]


def _subject(about: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = about.get("job") or about["worker"]
    return found


def _plain(text: str) -> str:
    """Slack's three characters; a job's name must not be a link or a call of everybody (`<!channel>`)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
