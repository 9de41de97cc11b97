"""At most so many of a job's tasks at once (`max_workers`): a hard limit, whoever claims at the same moment.

Each running task of such a job holds a ticket of the job's *gate* (`records/gates.py`). A claim that meets such a task
enters the gate first, by one conditional write, and only then takes the task; what it is given carries the ticket, and
whoever ends the attempt gives it back. So a limit costs a claim one write and one look at the lane more, and the end of
an attempt a read and a write, for the jobs that have one; others pay nothing. What is full is remembered for a second.
Who meets a full gate asks at once which others are, of those on its page and of those that were within the last minute;
and who finds a page crowded with tasks of such a job asks for their ids, once a minute, and looks behind them, however
many stand there one by one. Both cost one request more. So full jobs whose tasks fill pages cost a claim a read each.
Where they are more than a claim reads (`scheduling.PAGES_IN_VAIN`), it leaves word where it stopped, and the next one
in this process goes on from there behind the head of the lane; whoever comes to the end begins anew. Where something
on the way is kept from one worker alone, only its own next claim goes on there. So no number of them hides work for
ever. None of this makes a worker ask sooner than if there were nothing.

Claims know from the registry which jobs have a gate, at most two seconds late. Entries of a job that had one from the
beginning say so themselves: a claim that does not know of the gate fails their condition. Of a job that gets its first
limit later, or one again, those two seconds may pass, and what ran before is not counted.

A process that dies between ticket and task, or end and return, leaves a ticket behind: one fewer may run until the
sweep finds, minutes later, that its worker holds no such task.
"""

from __future__ import annotations

import hashlib

from .errors import BadInput
from .farm import Farm
from .lifecycle import ENDED_JOBS
from .model import Job, JobId, Task
from .records import keys
from .records.gates import NO_LIMIT, Gate
from .scheduling import Picker

MOST_WORKERS = 1_000
"""Each ticket is a field of one item, of some 40 bytes, and each write of it is charged for the whole item: a thousand
are 40 write units to enter and 40 to leave. An item of DynamoDB bears ten times as many."""
MOST_ASKED = 100
"""Gates of which one read tells."""
FORGOTTEN_MS = 180_000
"""A ticket so old belongs to a task that its worker is known to hold, or to none."""


def check(most: int | None) -> None:
    if most is not None and not 1 <= most <= MOST_WORKERS:
        raise BadInput(
            f"max_workers must be 1 to {MOST_WORKERS:,}, or null for no limit, not {most}", field="max_workers"
        )


def keep(farm: Farm, job: Job) -> None:
    """Called before anything of the job is queued, after each change of its limit, and by the sweep."""
    if job.gated and job.status not in ENDED_JOBS:
        farm.gates.keep(job.id, job.max_workers or NO_LIMIT)
        farm.registry.forget()


def make_way(farm: Farm, picker: Picker) -> None:
    """For what the picker stopped at: a gate, which it has entered then, or else knows to be full; and crowds of full
    jobs' tasks, which it passes over at once when it knows their ids."""
    if picker.wants is not None:
        _try_to_enter(farm, picker, picker.wants)
        picker.wants = None
    for job_id in picker.in_the_way | (picker.crowds & picker.full):
        spans = tuple((step.base, step.base + step.count) for step in farm.jobs.steps(job_id) if step.count)
        farm.registry.note_spans(job_id, spans)
        picker.asked.add(job_id)
        picker.spans[job_id] = spans
    picker.look_again()


def _try_to_enter(farm: Farm, picker: Picker, job_id: JobId) -> None:
    if job_id not in farm.registry.full():
        ticket = _new_ticket(farm, picker, job_id)
        if job_id in farm.registry.read().unlimited:  # nobody counts: only the task's entry wants to see one
            picker.enter(job_id, ticket)
            return
        if farm.gates.enter(job_id, ticket, picker.worker.id, farm.clock.now()):
            picker.enter(job_id, ticket)
            return
        lately = farm.registry.lately_full() & picker.gated - picker.met - picker.tickets.keys() - {job_id}
        others = [*picker.met, *lately][:MOST_ASKED]
        farm.registry.note_full([job_id, *farm.gates.full_of(others)])
    picker.full |= {job_id} | farm.registry.full() - picker.tickets.keys()


def _new_ticket(farm: Farm, picker: Picker, job_id: JobId) -> int:
    """A number of its own also where a worker's request comes twice at the same moment."""
    said = f"{picker.worker.id} {picker.lease.request_id} {picker.lease.granted_at} {picker.slots} {job_id}"
    said += f" {farm.random.getrandbits(48)}"
    return int.from_bytes(hashlib.blake2b(said.encode(), digest_size=6).digest(), "big")


def leave_unused(farm: Farm, picker: Picker, taken: set[JobId]) -> None:
    """The picker took tasks of other jobs in the end, or none."""
    for job_id, ticket in picker.tickets.items():
        if job_id not in taken:
            farm.gates.leave(job_id, ticket)


def ended(farm: Farm, task: Task) -> None:
    """This attempt has ended (the task as it was under its lease): somebody else may enter."""
    leave(farm, task)
    tell(farm, task)


def leave(farm: Farm, task: Task) -> None:
    """Give back the ticket of this attempt, if it has one."""
    if task.lease is not None and task.lease.ticket is not None:
        farm.gates.leave(task.job, task.lease.ticket)


def tell(farm: Farm, task: Task) -> None:
    """That its ticket was given back."""
    if task.lease is not None and task.lease.ticket is not None:
        farm.registry.note_room(task.job)
        farm.bell.ring(keys.ready_pk(task.requirement))


def mend(farm: Farm, job: Job) -> None:
    """For the sweep: the gate as the job wants it, without tickets that nobody holds."""
    if not job.gated:
        return
    keep(farm, job)
    _leave_forgotten(farm, job.id, farm.gates.get(job.id))


def _leave_forgotten(farm: Farm, job_id: JobId, gate: Gate | None) -> None:
    if gate is None:
        return
    old = {t: worker for t, (worker, at) in gate.tickets.items() if farm.clock.now() - at > FORGOTTEN_MS}
    for worker in set(old.values()):
        held = farm.tasks.get_many([entry.task for entry in farm.tasks.held_by(worker)])
        in_use = {task.lease.ticket for task in held if task is not None and task.lease is not None}
        for ticket in (ticket for ticket, whose in old.items() if whose == worker and ticket not in in_use):
            farm.gates.leave(job_id, ticket)


def forget(farm: Farm) -> None:
    """For the sweep: gates of jobs that have ended, once nobody is in them any more."""
    for job_id in farm.registry.read().gated:
        job = farm.jobs.get(job_id)
        if job is None or job.settled:
            _leave_forgotten(farm, job_id, farm.gates.get(job_id))
            farm.gates.remove(job_id, farm.gates.get(job_id))


def room(farm: Farm, job_id: JobId) -> int:
    """How many more may enter now."""
    gate = farm.gates.get(job_id)
    return 0 if gate is None else max(0, -gate.over)


def fullness(farm: Farm, job: Job) -> Gate | None:
    """The job's gate, if nobody more may enter."""
    gate = farm.gates.get(job.id) if job.gated and job.max_workers is not None else None
    return gate if gate is not None and gate.is_full else None
