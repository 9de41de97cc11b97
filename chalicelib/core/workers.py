"""Workers: registration, sign-on and sign-off, what is asked of them, and whether they are alive."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from . import sleep_schedules, worker_secrets
from .errors import BadInput, Conflict, NotFound
from .farm import Farm
from .lifecycle import WORKER, WorkerStatus, next_status
from .model import Load, SleepSchedule, Worker, WorkerId
from .ports import Change, Remove, Set
from .records.worker_items import load_json, schedule_json

REQUESTABLE = (WorkerStatus.AWAKE, WorkerStatus.ASLEEP, WorkerStatus.OFFLINE)
"""What a person may ask of a worker; `offline` means: end your tasks, sign off and stop."""


@dataclass(frozen=True)
class Description:
    """What a worker says about itself, at registration and at each start."""

    name: str
    task_types: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    slots: int = 1
    platform: str = ""
    software: str = ""


def register(
    farm: Farm, description: Description, *, with_secret: bool, secret: str | None = None, address: str = ""
) -> tuple[Worker, str | None]:
    """A new worker and, if its protocol knows secrets, its secret, which is told only once.

    `secret`: the one that the worker has made, where its protocol has it so.
    """
    if with_secret and secret is None:
        secret = secrets.token_urlsafe(32)
    now = farm.clock.now()
    worker = Worker(
        id=farm.ids.one(),
        name=description.name,
        status=WorkerStatus.STARTING,
        task_types=frozenset(description.task_types),
        runtimes=description.runtimes,
        tags=frozenset(description.tags),
        slots=description.slots,
        secret_hash=worker_secrets.kept(secret) if with_secret and secret is not None else None,
        status_requested=None,
        lazy=False,
        platform=description.platform,
        software=description.software,
        created_at=now,
        last_contact_at=now,
        address=address,
    )
    farm.workers.add(worker)
    return worker, secret


def get(farm: Farm, worker_id: WorkerId) -> Worker:
    worker = farm.workers.get(worker_id)
    if worker is None:
        raise NotFound(f"no such worker: {worker_id}")
    return worker


def secret_fits(worker: Worker, secret: str) -> bool:
    """Compares in constant time. A worker registered without a secret has none that fits."""
    return worker_secrets.fits(worker.secret_hash, secret)


def sign_on(farm: Farm, worker: Worker, description: Description) -> Worker:
    """The worker has started. What was requested of it stays requested: a wish to sleep survives a restart."""
    fields = {
        "name": description.name,
        "task_types": sorted(set(description.task_types)),
        "runtimes": list(description.runtimes),
        "tags": sorted(set(description.tags)),
        "slots": description.slots,
        "platform": description.platform,
        "software": description.software,
        "last_contact_at": farm.clock.now(),
        "status": next_status(WORKER, worker.status, "sign_on").value,
    }
    changes: list[Change] = [Set(name, value) for name, value in fields.items()]
    if worker.status_requested is WorkerStatus.OFFLINE:  # it did go; this is a new start
        changes += [Remove("status_requested"), Set("lazy", False)]
    return _changed(farm, worker, changes)


def sign_off(farm: Farm, worker: Worker) -> Worker:
    changes: list[Change] = [Set("status", WorkerStatus.OFFLINE.value), Set("last_contact_at", farm.clock.now())]
    if worker.status_requested is WorkerStatus.OFFLINE:
        changes += [Remove("status_requested"), Set("lazy", False)]
    changed = _changed(farm, worker, changes)
    farm.bell.ring(f"worker/{worker.id}", times=None)
    return changed


def contact(
    farm: Farm,
    worker: Worker,
    *,
    wants_work: bool,
    wakes_sleepers: bool = False,
    address: str | None = None,
    software: str | None = None,
    load: Load | None = None,
) -> Worker:
    """Note that it is alive, but not on each poll: one write in `contact_every_seconds`.

    A worker that asks for work while nobody asked it to sleep is awake. `wakes_sleepers`: in this protocol one that
    asks is awake in any case. `address`, `software`, `load`: as the call shows them; load goes along when something is
    written anyway, and is no news.
    """
    now = farm.clock.now()
    seen: list[Change] = []
    if (wish := sleep_schedules.request(worker, now)) is not None:
        seen += [Set("status_requested", wish.value), Set("lazy", False)]
        worker = replace(worker, status_requested=wish, lazy=False)
    if address is not None and address != worker.address:
        seen.append(Set("address", address))
    if software is not None and software != worker.software:
        seen.append(Set("software", software))
    # Elsewhere a worker is asleep until it says otherwise.
    may_wake = wakes_sleepers or (worker.status_requested is None and worker.status is not WorkerStatus.ASLEEP)
    wakes = wants_work and may_wake and worker.status is not WorkerStatus.AWAKE
    if not wakes and not seen and now - worker.last_contact_at < farm.limits.contact_every_seconds * 1000:
        return worker
    changes: list[Change] = [Set("last_contact_at", now), *seen]
    if load is not None:
        changes.append(Set("load", load_json(load)))
    if wakes:
        changes.append(Set("status", next_status(WORKER, worker.status, "wake").value))
    return _changed(farm, worker, changes)


def has_become(farm: Farm, worker: Worker, status: str) -> Worker:
    """The worker says that it is now `awake`, `asleep` or in `error`; a request for that is thereby answered."""
    events = {"awake": "wake", "asleep": "sleep", "error": "break"}
    if status not in events:
        raise BadInput(f"a worker can become {', '.join(events)}, not {status!r}", field="status")
    became = next_status(WORKER, worker.status, events[status])
    changes: list[Change] = [Set("status", became.value), Set("last_contact_at", farm.clock.now())]
    if became is WorkerStatus.ERROR and worker.status is not became:
        changes.append(Set("broke_at", farm.clock.now()))
    if worker.status_requested is became:
        changes += [Remove("status_requested"), Set("lazy", False)]
    return _changed(farm, worker, changes)


def request_status(farm: Farm, worker_id: WorkerId, status: str, *, lazy: bool) -> Worker:
    """Ask the worker to become something; it hears of it with its next call. `lazy`: not while it has tasks."""
    if status not in {s.value for s in REQUESTABLE}:
        raise BadInput(f"status must be one of {', '.join(REQUESTABLE)}, not {status!r}", field="status")
    worker = get(farm, worker_id)
    if status == worker.status and worker.status_requested is None:
        return worker
    if worker.status is WorkerStatus.OFFLINE and status == WorkerStatus.OFFLINE:
        raise Conflict("the worker is offline already")
    changed = _change(farm, worker_id, [Set("status_requested", status), Set("lazy", lazy)])
    farm.bell.ring(f"worker/{worker_id}", times=None)
    return changed


def withdraw_request(farm: Farm, worker: Worker) -> Worker:
    """Whatever was asked of the worker is asked no more."""
    if worker.status_requested is None:
        return worker
    return _changed(farm, worker, [Remove("status_requested"), Set("lazy", False)])


def set_sleep_schedule(farm: Farm, worker_id: WorkerId, schedule: SleepSchedule | None) -> Worker:
    """It counts from the worker's next call on. None: no schedule any more."""
    if schedule is None:
        return _change(farm, worker_id, [Remove("sleep_schedule")])
    return _change(farm, worker_id, [Set("sleep_schedule", schedule_json(schedule))])


def liveness(farm: Farm, worker: Worker) -> WorkerStatus:
    """Its status as a person should see it: a silent worker is lost, whatever it last said."""
    silent = farm.clock.now() - worker.last_contact_at > farm.limits.lost_after_seconds * 1000
    return WorkerStatus.LOST if silent and worker.status is not WorkerStatus.OFFLINE else worker.status


def checked_description(name: str, task_types: Sequence[str], runtimes: Sequence[str]) -> None:
    """Refuse what could never work, with the reason."""
    for field, values in (("task_types", task_types), ("runtime", runtimes)):
        for value in values:
            if not value or len(value) > 200 or not value.isprintable():
                raise BadInput(
                    f"{field} must be printable names of 1 to 200 characters, not {value[:40]!r}", field=field
                )
    if not name or len(name) > 200 or not name.isprintable():
        raise BadInput("name must be 1 to 200 printable characters", field="name")


def note_lost(farm: Farm, fleet: Sequence[Worker]) -> int:
    """Make it news that workers, of all there are, have fallen silent: how many have since the last look."""
    silent = (worker for worker in fleet if worker.lost_at is None)
    return sum(farm.workers.note_lost(worker) for worker in silent if liveness(farm, worker) is WorkerStatus.LOST)


def _changed(farm: Farm, worker: Worker, changes: Sequence[Change]) -> Worker:
    """After a call of the worker's. As it is then, with the blocklist that was read with it: it may go on to claim."""
    heard = [Remove("lost_at")] if worker.lost_at is not None else []
    return replace(_change(farm, worker.id, [*changes, *heard]), blocked=worker.blocked)


def _change(farm: Farm, worker_id: WorkerId, changes: Sequence[Change]) -> Worker:
    worker = farm.workers.change(worker_id, *changes)
    if worker is None:
        raise NotFound(f"no such worker: {worker_id}")
    return worker
