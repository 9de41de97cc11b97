"""Workers, blobs and functions as items, both ways. Nothing else knows how their fields are stored."""

from __future__ import annotations

from typing import Any

from ..lifecycle import WorkerStatus
from ..model import Blob, Function, Load, SleepSchedule, Worker
from ..ports import Item
from . import keys
from .fields import item


def worker_item(worker: Worker) -> dict[str, Any]:
    fields = {
        "id": worker.id,
        "name": worker.name,
        "status": worker.status.value,
        "task_types": sorted(worker.task_types),
        "runtimes": list(worker.runtimes),
        "tags": sorted(worker.tags),
        "slots": worker.slots,
        "secret_hash": worker.secret_hash,
        "status_requested": worker.status_requested.value if worker.status_requested else None,
        "lazy": worker.lazy,
        "platform": worker.platform,
        "software": worker.software,
        "created_at": worker.created_at,
        "last_contact_at": worker.last_contact_at,
        "address": worker.address or None,
        "start": worker.start,
        "started_at": worker.started_at,
        "lost_at": worker.lost_at,
        "broke_at": worker.broke_at,
        "load": None if worker.load is None else load_json(worker.load),
        "sleep_schedule": None if worker.sleep_schedule is None else schedule_json(worker.sleep_schedule),
        "listing_pk": keys.listing_pk("workers"),
        "listing_sk": keys.digits(worker.id),
    }
    return item(keys.worker(worker.id), fields)


def worker_from(item: Item) -> Worker:
    requested = item.get("status_requested")
    return Worker(
        id=item["id"],
        name=item["name"],
        status=WorkerStatus(item["status"]),
        task_types=frozenset(item["task_types"]),
        runtimes=tuple(item["runtimes"]),
        tags=frozenset(item["tags"]),
        slots=item["slots"],
        secret_hash=item.get("secret_hash"),
        status_requested=WorkerStatus(requested) if requested else None,
        lazy=item["lazy"],
        platform=item["platform"],
        software=item["software"],
        created_at=item["created_at"],
        last_contact_at=item["last_contact_at"],
        address=item.get("address") or "",
        start=item.get("start"),
        started_at=item.get("started_at"),
        lost_at=item.get("lost_at"),
        broke_at=item.get("broke_at"),
        sleep_schedule=_schedule_from(item.get("sleep_schedule")),
        load=_load_from(item.get("load")),
    )


def schedule_json(schedule: SleepSchedule) -> dict[str, Any]:
    return {
        "active": schedule.active,
        "days": list(schedule.days),
        "start_minute": schedule.start_minute,
        "end_minute": schedule.end_minute,
    }


def _schedule_from(fields: Any) -> SleepSchedule | None:
    if fields is None:
        return None
    return SleepSchedule(fields["active"], tuple(fields["days"]), fields["start_minute"], fields["end_minute"])


def load_json(load: Load) -> dict[str, int]:
    return {"cpu_percent": load.cpu_percent, "memory_percent": load.memory_percent}


def _load_from(fields: Any) -> Load | None:
    return None if fields is None else Load(fields["cpu_percent"], fields["memory_percent"])


def blob_item(blob: Blob) -> dict[str, Any]:
    fields = {"id": blob.id, "size": blob.size, "sha256": blob.sha256, "created_at": blob.created_at}
    return item(keys.blob(blob.id), fields)


def blob_from(item: Item) -> Blob:
    return Blob(item["id"], item["size"], item["sha256"], item["created_at"])


def function_item(function: Function) -> dict[str, Any]:
    fields = {
        "id": function.id,
        "code": function.code,
        "runtime": function.runtime,
        "tags": list(function.tags),
        "created_at": function.created_at,
        "listing_pk": keys.listing_pk("functions"),
        "listing_sk": keys.digits(function.id),
        "form": 1,
    }
    return item(keys.function(function.id), fields)


def function_from(item: Item) -> Function:
    return Function(item["id"], item["code"], item["runtime"], tuple(item["tags"]), item["created_at"])
