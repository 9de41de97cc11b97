"""Claims: a worker asks for work and gets a lease on the best task it may run.

Cost of a claim: one read of the lanes' heads and one conditional write (and one more for tasks of a large step), plus
the caller's read of the worker; the registry is cached. With nothing queued: one read per lane tried. A process that
dies after the last write has given a lease to a worker that never heard of it: the worker repeats the request and gets
the same task, or lists what it holds without it and the task is released (`reconcile`), or the lease runs out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from . import advancing, gates, leases, trace
from .cursors import Cursor
from .farm import Farm
from .lifecycle import Outcome, WorkerStatus
from .model import Assignment, Lease, Task, TaskId, Worker
from .records.lanes import Lane, Served
from .registry import NEW_LANE, NO_STOPS, Stops
from .scheduling import PAGES_IN_VAIN, Picker, fits, kept_from, key_of, served_by
from .workers import liveness

LANES_PER_CLAIM = 3
"""Where no index is exact, each lane is a read of its own: these are the best, and one more of the rest is tried, by
chance, so that none waits for ever behind lanes that have become empty."""
LOOKS_PER_CLAIM = 10
"""At the lanes: nine gates of which it had not heard that they are full, and what stands behind them."""
SETTLING_MS = 30_000
"""A claim younger than this, or than half a lease, may still be on its way to the worker, or not renewed yet (workers
renew after a third): it is not called forgotten."""


@dataclass(frozen=True)
class Claimed:
    assignments: tuple[Assignment, ...]
    contended: bool
    """There was work, but others were faster: ask again soon."""


def claim(
    farm: Farm,
    worker: Worker,
    request_id: str,
    *,
    slots: int = 1,
    repeat: bool = False,
    lease_seconds: float | None = None,
    takes_excluded: bool = True,
) -> Claimed:
    """Up to `slots` tasks under new leases; the same ones again for a repeated request id.

    `lease_seconds`: for a protocol whose workers renew more seldom, or never.
    `takes_excluded` False: never a task that is kept from this worker, even if nobody else can take it.
    """
    if slots < 1 or worker.status_requested in (WorkerStatus.ASLEEP, WorkerStatus.OFFLINE):
        return Claimed((), False)
    return farm.table.at_once(lambda: _claim(farm, worker, request_id, slots, repeat, lease_seconds, takes_excluded))


def _claim(
    farm: Farm,
    worker: Worker,
    request_id: str,
    slots: int,
    repeat: bool,
    lease_seconds: float | None,
    takes_excluded: bool,
) -> Claimed:
    if repeat and (before := _given_before(farm, worker, request_id)):
        return Claimed(before, False)
    given: list[Assignment] = []
    contended = False
    while len(given) < slots:
        wanted = _picker(farm, worker, request_id, slots - len(given), lease_seconds)
        taken, contended = _take(farm, wanted, takes_excluded)
        if not taken:
            break
        given += [_assignment(farm, task) for task in taken]
        for task in taken:
            trace.attempt("claimed", task.job, task.id, task.generation, worker.id, claim=request_id)
    return Claimed(tuple(given), contended)


def claim_or_wait(
    farm: Farm,
    worker: Worker,
    request_id: str,
    *,
    seconds: float,
    slots: int = 1,
    lease_seconds: float | None = None,
) -> Claimed:
    """As `claim`, but waits for work, or for a word to this worker. Listens before each look, so that no wake between
    look and wait is lost. The tags are those of this call."""
    end_at = farm.clock.now() + int(min(seconds, farm.limits.wait_seconds) * 1000)
    requested = worker.status_requested
    while True:
        listening_to = _topics(farm, worker)
        with farm.bell.waiter(listening_to) as waiter:
            while listening_to == _topics(farm, worker):
                claimed = claim(farm, worker, request_id, slots=slots, lease_seconds=lease_seconds)
                if claimed.assignments:
                    waiter.used()  # any other wake goes on to somebody who may have a use for it
                left = (end_at - farm.clock.now()) / 1000
                if claimed.assignments or left <= 0 or worker.status_requested is not requested:
                    return claimed
                waiter.wait(min(left, farm.limits.poll_busy_seconds) if claimed.contended else left)
                now = farm.workers.get(worker.id)
                if now is None or now.status is WorkerStatus.OFFLINE:  # nobody waits for this answer any more
                    return Claimed((), False)
                worker = replace(now, tags=worker.tags)


def _topics(farm: Farm, worker: Worker) -> list[str]:
    """What this worker would want to hear of: work in its lanes, lanes it does not know, words for itself."""
    return [NEW_LANE, f"worker/{worker.id}", *served_by(worker, farm.registry.read()).partitions]


def _take(farm: Farm, picker: Picker, takes_excluded: bool) -> tuple[list[Task], bool]:
    """One task, or as many as the picker wants where a cursor gives them, or one writer all of them."""
    served = served_by(picker.worker, farm.registry.read())
    if not farm.table.exact:
        served = _tried(farm, served)
    if not served.lanes:
        return [], False
    began_at = farm.registry.stopped_at(picker.worker.id, served.partitions)
    picker.go_on_from(*began_at)
    taken, contended = _take_with_ticket(farm, picker, served)
    if not taken and any(began_at) and not picker.cut_short:  # the end of it: what stands before may be open now
        began_at = NO_STOPS
        picker.go_on_from(*began_at)
        taken, contended = _take_with_ticket(farm, picker, served)
    if not taken and picker.passed_over and takes_excluded:
        taken, contended = _take_excluded(farm, picker, served, began_at)
    if not taken and picker.cut_short:
        farm.registry.note_stop(picker.worker.id, Stops(picker.stopped_at, picker.seen_up_to))
    gates.leave_unused(farm, picker, {one.job for one in taken})
    if not taken:
        return [], contended
    if not farm.table.exact:
        _note_head(farm, served.lanes, taken[0])
    given: list[Task] = []
    for one in taken:
        given += [one] if isinstance(one, Task) else _begin(farm, picker, one)
    return given, not given


def _tried(farm: Farm, served: Served) -> Served:
    best = list(range(min(LANES_PER_CLAIM, len(served.lanes))))
    if len(served.lanes) > LANES_PER_CLAIM:
        best.append(farm.random.randrange(LANES_PER_CLAIM, len(served.lanes)))
    return Served(tuple(served.lanes[n] for n in best), tuple(served.partitions[n] for n in best))


def _begin(farm: Farm, picker: Picker, cursor: Cursor) -> list[Task]:
    lease = picker.granted(0, picker.tickets.get(cursor.job))
    begun: list[Task] = []
    try:
        begun = advancing.begin(farm, cursor, picker.slots_of(cursor.job), lease)
    finally:
        if not begun:
            gates.leave_unused(farm, picker, set())
    return begun


def _take_with_ticket(farm: Farm, picker: Picker, served: Served) -> tuple[list[Task | Cursor], bool]:
    """The best that there is; of a job with a gate once that was entered. Where too much is shut for one call, the next
    goes on behind it: no sooner than if there had been nothing, or full jobs would keep idle workers asking."""
    picker.pages = PAGES_IN_VAIN
    for _ in range(LOOKS_PER_CLAIM):
        taken, contended = farm.tasks.take(served.partitions, picker, picker.enough, picker.onward)
        if taken:
            return taken, contended
        if picker.wants is None and not picker.in_the_way:
            if contended:
                farm.registry.forget()  # a gate that it had not heard of, perhaps
            return [], contended
        gates.make_way(farm, picker)
    picker.cut_short = True
    return [], contended


def _take_excluded(farm: Farm, picker: Picker, served: Served, began_at: Stops) -> tuple[list[Task | Cursor], bool]:
    """Only tasks that are kept from this worker are left: it gets those that no other living worker could take."""
    others = [other for other in other_workers(farm, picker.worker) if _may_come(farm, other)]
    by_partition = {pk: lane.requirement for lane, pk in zip(*served, strict=True)}
    picker.allowed = frozenset(
        key_of(candidate)
        for candidate in picker.passed_over
        if not any(fits(by_partition[candidate["ready_pk"]], o) and not kept_from(o, candidate) for o in others)
    )
    if not picker.allowed:
        return [], False
    picker.go_on_from(*began_at)
    return _take_with_ticket(farm, picker, served)


def other_workers(farm: Farm, worker: Worker) -> list[Worker]:
    """All registered workers but this one, with their blocklists; a read each, for rare occasions."""
    found = (farm.workers.get(other.id) for other in farm.workers.all() if other.id != worker.id)
    return [other for other in found if other is not None]


def _may_come(farm: Farm, worker: Worker) -> bool:
    return liveness(farm, worker) in (WorkerStatus.STARTING, WorkerStatus.AWAKE)


def _picker(farm: Farm, worker: Worker, request_id: str, slots: int, lease_seconds: float | None) -> Picker:
    seconds = lease_seconds or farm.limits.lease_seconds
    lease = Lease(worker.id, 0, request_id, farm.clock.now(), seconds, 0)
    grace_ms = int(farm.limits.grace_seconds * 1000)
    known = farm.registry.read()
    full, spans = farm.registry.full(), farm.registry.spans()
    return Picker(worker, known.halted, lease, grace_ms, slots, gated=known.gated, full=full, spans=spans)


def _note_head(farm: Farm, lanes: Sequence[Lane], taken: Task | Cursor) -> None:
    """The registry's `top` follows the lane's head; a minute's patience before it falls leaves producers in peace. What
    a producer puts there at this moment, relying on the row as it was, may then stand in too low a lane, behind up to
    three better ones, until the next sweep."""
    lane, now = next(lane for lane in lanes if lane.requirement == taken.requirement), farm.clock.now()
    if taken.priority > lane.top or (taken.priority < lane.top and now - lane.touched_at > 60_000):
        farm.lanes.correct(lane, taken.priority, now)
        farm.registry.forget()


def _given_before(farm: Farm, worker: Worker, request_id: str) -> tuple[Assignment, ...]:
    held = [entry for entry in farm.tasks.held_by(worker.id) if entry.request_id == request_id]
    tasks = farm.tasks.get_many([entry.task for entry in held])
    return tuple(
        _assignment(farm, task)
        for task in tasks
        if task is not None and task.lease is not None and task.lease.request_id == request_id
    )


def _assignment(farm: Farm, task: Task) -> Assignment:
    assert task.lease is not None  # just claimed, or checked by the caller
    passed = (farm.clock.now() - task.lease.granted_at) / 1000
    return Assignment(task, task.lease, max(0.0, task.lease.seconds - max(0.0, passed)))


def reconcile(
    farm: Farm,
    worker: Worker,
    held: Iterable[tuple[TaskId, int]],
    *,
    at_start: bool = False,
    until: int | None = None,
) -> None:
    """Release what the table says this worker holds and the worker does not know of.

    At sign-on everything unknown goes at once (the process that held it is gone: `interrupted`), if it was given
    `until` then; later only what was given long enough ago for the answer to have arrived, and was never renewed: a
    call that the network, or a frozen process, brings late does not list what its worker was given since, and renews.
    """
    known = set(held)
    settling_ms = 0 if at_start else max(SETTLING_MS, round(farm.limits.lease_seconds * 500))
    horizon = until if until is not None else farm.clock.now() - settling_ms
    for entry in farm.tasks.held_by(worker.id):
        if (entry.task, entry.generation) in known or entry.granted_at > horizon:
            continue
        if not at_start and _was_renewed(farm, entry.task):
            continue
        outcome = Outcome.INTERRUPTED if at_start else Outcome.RELEASED
        leases.give_back(farm, entry.task, entry.generation, outcome, "the worker does not know of it")


def _was_renewed(farm: Farm, task_id: TaskId) -> bool:
    """Its worker has heard of the lease that it is under."""
    task = farm.tasks.get(task_id)
    return task is not None and task.lease is not None and task.lease.seconds > farm.limits.lease_seconds
