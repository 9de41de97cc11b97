"""What a webhook is told, as bytes and headers. Pure. The shapes stand in docs/webhooks.md."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..core.hooks import Event
from ..core.model import Job, Worker
from ..core.records.hooks import Delivery, Hook


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
    subject = about.get("job") or about["worker"]
    name = _plain(subject["name"])
    words = {
        Event.JOB_COMPLETED: f"job *{name}* is completed",
        Event.JOB_FAILED: f"job *{name}* has failed",
        Event.JOB_CANCELED: f"job *{name}* was canceled",
        Event.WORKER_LOST: f"worker *{name}* has fallen silent",
        Event.WORKER_ERROR: f"worker *{name}* is in error",
    }[Event(event)]
    error = subject.get("error") if event == Event.JOB_FAILED else None
    return f"{words}: {_plain(error)}" if error else words


def _plain(text: str) -> str:
    """Slack's three characters; a job's name must not be a link or a call of everybody (`<!channel>`)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def time_text(at_ms: int | None) -> str | None:
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
