"""Leases as a state machine small enough to visit completely: claim, renew, report, expire, cancel, crash.

What is modelled, and where it is in the farm:

- The manager's item of each task, changed by single conditional writes (`core/records/task_writes.py`). Which statuses
  a write may start from, and where it leads, is asked of the farm's own table (`core/lifecycle.py`).
- Messages that are lost, late, doubled and overtaken: a message in flight may be delivered any number of times, at any
  time, or dropped. A manager that dies after a write and before its answer is a lost answer.
- Time in whole ticks. A worker's lease ends LEASE ticks after it *sent* the request; the manager's ends LEASE + GRACE
  ticks after it handled it. A worker's task is dead when its lease ends, whatever became of the worker (its guard
  sees to it).
- Workers that die and start anew without memory, and a job that is canceled in three steps: the decision, a look at its
  tasks, and conditional writes to them. Between these the manager may be dead for as long as it likes.

Times are kept as ticks from now, so that the same situation later is the same state, and the whole is finite: every
lost or failed attempt spends a retry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from chalicelib.core.lifecycle import ENDED_TASKS, TASK, TaskStatus, next_status, sources_of
from tests.model.explorer import Broken

LEASE, GRACE = 2, 1
RETRIES = 1
LONG_AGO = -(LEASE + GRACE)
"""Whatever was sent before gives nothing any more."""


class Item(NamedTuple):
    """A task as the table has it."""

    status: TaskStatus = TaskStatus.QUEUED
    generation: int = 0
    holder: int = -1
    request: int = -1
    due: int = 0
    """Ticks until the manager may end the lease."""
    failures: int = 0
    is_canceled: bool = False
    """The running attempt is asked to stop."""
    acknowledged: bool = False
    """Some worker was told that its completion counts."""


class Run(NamedTuple):
    """An attempt that runs at a worker."""

    task: int
    generation: int
    left: int
    """Ticks until the worker's own end of the lease."""


class Worker(NamedTuple):
    request: int = 0
    """The id of its next claim, repeated until it is answered with a lease."""
    run: Run | None = None
    report: tuple[int, int, str] | None = None
    """(task, generation, event) that it owes the farm."""


class Message(NamedTuple):
    kind: str
    worker: int
    task: int = -1
    generation: int = -1
    said: str = ""
    request: int = -1
    sent: int = 0
    """Ticks from now, at most 0: when the worker sent it, or what it answers."""
    seconds: int = 0
    """Of a lease that is given: what is left of it, in ticks from when the manager handled the request."""


class State(NamedTuple):
    items: tuple[Item, ...]
    workers: tuple[Worker, ...]
    messages: frozenset[Message]
    job_canceled: bool = False
    looked: tuple[TaskStatus, ...] = ()
    """What the pass over the tasks after the cancel has seen."""
    aligned: bool = False
    """The pass over the tasks after the cancel is through."""
    crashes: int = 0


@dataclass(frozen=True)
class Rules:
    """What the farm does; a test switches one off to see that it is missed."""

    tasks: int = 1
    workers: int = 2
    in_flight: int = 1
    crashes: int = 1
    can_cancel: bool = True
    report_checks_generation: bool = True
    report_checks_holder: bool = True
    claim_checks_status: bool = True
    renew_checks_generation: bool = True
    grace: int = GRACE
    counts_from_sending: bool = True
    says_what_is_left: bool = True
    late_lease_is_dropped: bool = True
    return_looks_at_job: bool = True
    claim_raises_generation: bool = True
    table: object = None
    """Another lifecycle table than the farm's."""


class Model:
    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.table = TASK if rules.table is None else rules.table

    def start(self) -> State:
        return State((Item(),) * self.rules.tasks, (Worker(),) * self.rules.workers, frozenset())

    def is_end(self, state: State) -> bool:
        return all(item.status in ENDED_TASKS for item in state.items)

    # ---- promises --------------------------------------------------------------------------------------------------

    def check(self, state: State) -> None:
        runs = [worker.run.task for worker in state.workers if worker.run is not None]
        if len(runs) != len(set(runs)):
            raise Broken("a task runs twice at once")
        for item in state.items:
            if item.acknowledged and item.status is not TaskStatus.COMPLETED:
                raise Broken("an acknowledged completion is gone")
            if state.aligned and item.status is TaskStatus.QUEUED:
                raise Broken("a task is queued behind the back of a cancel")

    def _written(self, state: State, task: int, after: Item) -> State:
        """Every write of an item comes by here."""
        before = state.items[task]
        if after.generation < before.generation:
            raise Broken("a generation falls")
        taken = after.status is TaskStatus.ACTIVE and before.holder != after.holder
        if taken and after.generation == before.generation:
            raise Broken("a lease is given without a new generation")
        if before.status is TaskStatus.COMPLETED and after.status is not TaskStatus.COMPLETED:
            raise Broken("a completed task goes on")
        if before.status is TaskStatus.ACTIVE and taken:
            raise Broken("a lease is given while another lives")
        items = list(state.items)
        items[task] = after
        return state._replace(items=tuple(items))

    # ---- steps -----------------------------------------------------------------------------------------------------

    def moves(self, state: State) -> Iterator[tuple[str, State]]:
        yield from self._time(state)
        for number in range(len(state.workers)):
            yield from self._worker_steps(state, number)
        for message in state.messages:
            dropped = state._replace(messages=state.messages - {message})
            yield f"{message.kind} is lost", dropped
            # Delivered and gone, or delivered and still under way: then it comes again.
            for rest in (dropped, state):
                yield f"{message.kind} of worker {message.worker} arrives", self._delivered(rest, message)
        for task, item in enumerate(state.items):
            if item.status is TaskStatus.ACTIVE and item.due <= 0:
                yield f"lease of task {task} expires", self._ended(state, task, "lost")
        if self.rules.can_cancel and not state.job_canceled:
            yield "the job is canceled", state._replace(job_canceled=True)
        if state.job_canceled and not state.aligned and not state.looked:
            yield "the cancel looks at the tasks", state._replace(looked=tuple(item.status for item in state.items))
        if state.looked:
            yield "the cancel reaches the tasks", self._aligned(state)

    def _time(self, state: State) -> Iterator[tuple[str, State]]:
        """A tick, unless a task would outlive its lease: somebody ends it first."""
        if any(worker.run is not None and worker.run.left <= 0 for worker in state.workers):
            return
        items = tuple(item._replace(due=max(0, item.due - 1)) for item in state.items)
        workers = tuple(
            worker if worker.run is None else worker._replace(run=worker.run._replace(left=worker.run.left - 1))
            for worker in state.workers
        )
        messages = frozenset(message._replace(sent=max(LONG_AGO, message.sent - 1)) for message in state.messages)
        yield "a tick", state._replace(items=items, workers=workers, messages=messages)

    def _worker_steps(self, state: State, number: int) -> Iterator[tuple[str, State]]:
        worker = state.workers[number]
        if worker.run is not None and worker.run.left <= 0:
            yield f"worker {number} ends its overdue task", _with(state, number, run=None)
        if state.crashes < self.rules.crashes and (worker.run is not None or worker.report is not None):
            crashed = _with(state, number, run=None, report=None, request=worker.request + 1)
            yield f"worker {number} dies and starts anew", crashed._replace(crashes=state.crashes + 1)
        if worker.run is not None:
            for event in ("complete", "fail"):
                report = (worker.run.task, worker.run.generation, event)
                yield f"worker {number} has {event}d", _with(state, number, run=None, report=report)
        if len(state.messages) >= self.rules.in_flight:
            return
        if worker.report is not None:
            task, generation, event = worker.report
            yield f"worker {number} reports", _sent(state, Message("report", number, task, generation, event))
        elif worker.run is not None:
            yield f"worker {number} renews", _sent(state, Message("renew", number, *worker.run[:2]))
        else:
            yield f"worker {number} asks", _sent(state, Message("claim", number, request=worker.request))

    def _delivered(self, state: State, message: Message) -> State:
        handler = {
            "claim": self._claimed,
            "renew": self._renewed,
            "report": self._reported,
            "lease": self._lease_arrives,
            "extension": self._extension_arrives,
            "verdict": self._verdict_arrives,
        }[message.kind]
        return handler(state, message)

    # ---- the manager -----------------------------------------------------------------------------------------------

    def _claimed(self, state: State, message: Message) -> State:
        number = message.worker
        for task, item in enumerate(state.items):
            same = (item.holder, item.request) == (number, message.request) and item.status is TaskStatus.ACTIVE
            if same:
                return self._answered(state, message, "lease", task, item.generation)
        for task, item in enumerate(state.items):
            can = item.status in sources_of(self.table, "claim") or not self.rules.claim_checks_status  # type: ignore[arg-type]
            if not can or item.status in ENDED_TASKS or state.job_canceled:
                continue
            generation = item.generation + (1 if self.rules.claim_raises_generation else item.generation == 0)
            taken = item._replace(
                status=TaskStatus.ACTIVE,
                generation=generation,
                holder=number,
                request=message.request,
                due=LEASE + self.rules.grace,
                is_canceled=False,
            )
            return self._answered(self._written(state, task, taken), message, "lease", task, generation)
        return state

    def _renewed(self, state: State, message: Message) -> State:
        item = state.items[message.task]
        fits = item.generation == message.generation or not self.rules.renew_checks_generation
        if item.status is not TaskStatus.ACTIVE or not fits or item.holder != message.worker:
            return state
        if item.generation != message.generation:
            raise Broken("a late renewal counts")
        longer = self._written(state, message.task, item._replace(due=LEASE + self.rules.grace))
        return self._answered(longer, message, "extension", message.task, message.generation)

    def _reported(self, state: State, message: Message) -> State:
        item = state.items[message.task]
        held = item.status is TaskStatus.ACTIVE
        held &= item.generation == message.generation or not self.rules.report_checks_generation
        held &= item.holder == message.worker or not self.rules.report_checks_holder
        if held and (item.generation, item.holder) != (message.generation, message.worker):
            raise Broken("a late report counts")
        if held:
            state = self._ended(state, message.task, message.said)
            return self._answered(state, message, "verdict", message.task, message.generation, message.said)
        repeated = item.status is TaskStatus.COMPLETED and message.said == "complete"
        repeated &= (item.generation, item.holder) == (message.generation, message.worker)
        said = message.said if repeated else "refused"
        return self._answered(state, message, "verdict", message.task, message.generation, said)

    def _ended(self, state: State, task: int, how: str) -> State:
        """The end of an attempt: `_event` and `_return` of core/leases.py."""
        item = state.items[task]
        failures = item.failures + (how in ("fail", "lost"))
        if how == "complete":
            event = "complete"
        elif item.is_canceled:
            event = "cancel"
        elif failures > RETRIES:
            event = "fail"
        else:
            # In one transaction with the job's status.
            event = "cancel" if state.job_canceled and self.rules.return_looks_at_job else "return"
        status = next_status(self.table, item.status, event)  # type: ignore[arg-type]
        return self._written(state, task, item._replace(status=status, failures=failures, due=0, is_canceled=False))

    def _aligned(self, state: State) -> State:
        """What has changed since the look is passed over: whoever changed it saw the decision."""
        for task, (item, seen) in enumerate(zip(state.items, state.looked, strict=True)):
            if item.status is not seen:
                continue
            if item.status is TaskStatus.ACTIVE:
                state = self._written(state, task, item._replace(is_canceled=True))
            elif item.status in sources_of(self.table, "cancel"):  # type: ignore[arg-type]
                status = next_status(self.table, item.status, "cancel")  # type: ignore[arg-type]
                state = self._written(state, task, item._replace(status=status))
        return state._replace(aligned=True, looked=())

    def _answered(self, state: State, asked: Message, kind: str, task: int, generation: int, said: str = "") -> State:
        """Where the network is full, the answer is lost: as if the manager had died before it."""
        if len(state.messages) >= self.rules.in_flight + 1:
            return state
        left = 0
        if kind in ("lease", "extension"):
            left = max(0, state.items[task].due - self.rules.grace) if self.rules.says_what_is_left else LEASE
        answer = Message(kind, asked.worker, task, generation, said, asked.request, asked.sent, left)
        return state._replace(messages=state.messages | {answer})

    # ---- the worker ------------------------------------------------------------------------------------------------

    def _left(self, message: Message) -> int:
        return message.seconds + (message.sent if self.rules.counts_from_sending else 0)

    def _lease_arrives(self, state: State, message: Message) -> State:
        worker = state.workers[message.worker]
        if worker.request != message.request or worker.run is not None or worker.report is not None:
            return state
        left = self._left(message)
        if left <= 0 and self.rules.late_lease_is_dropped:
            return state
        run = Run(message.task, message.generation, max(1, left))
        return _with(state, message.worker, run=run, request=worker.request + 1)

    def _extension_arrives(self, state: State, message: Message) -> State:
        run = state.workers[message.worker].run
        if run is None or run[:2] != (message.task, message.generation):
            return state
        return _with(state, message.worker, run=run._replace(left=max(run.left, self._left(message))))

    def _verdict_arrives(self, state: State, message: Message) -> State:
        worker = state.workers[message.worker]
        if worker.report is None or worker.report[:2] != (message.task, message.generation):
            return state
        state = _with(state, message.worker, report=None)
        if message.said != "complete":
            return state
        items = list(state.items)
        items[message.task] = items[message.task]._replace(acknowledged=True)
        return state._replace(items=tuple(items))


def _with(state: State, number: int, **changes: object) -> State:
    workers = list(state.workers)
    workers[number] = workers[number]._replace(**changes)
    return state._replace(workers=tuple(workers))


def _sent(state: State, message: Message) -> State:
    return state._replace(messages=state.messages | {message})


def without(rules: Rules, **changes: object) -> Rules:
    return replace(rules, **changes)  # type: ignore[arg-type]
