"""Calls to the workers of the push generation: `/info`, `/execute_task`, `/kill`, `/run_info`.

A round looks at each such worker that is due and gives tasks to those that are free. Every call may go unanswered:
a worker that may have begun keeps its lease, and the next rounds see from its `/info` whether it has. While it answers,
its lease is renewed; when it falls silent it is offline at once, and its task is lost when the lease has run out, for
a machine that only missed a call must not be doubled. What is pushed goes only where the operator allowed it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ...core import leases
from ...core.declining import decline
from ...core.errors import LeaseLost
from ...core.farm import Farm
from ...core.leaving import held_tasks
from ...core.lifecycle import Outcome
from ...core.model import Task
from ...edge import current
from ...edge.push import Answer, Pusher, PushFailed, PushRefused
from ...handlers.pushing import TOPIC
from . import calling, fleet, handing, standing
from .fleet import Member
from .handing import Handed
from .reporting import BEGUN, IDLE, keep_log
from .submitting import Known
from .translate import WorkerWord

POLL_MS, BUSY_POLL_MS, SILENT_POLL_MS = 10_000, 2_000, 60_000
AT_ONCE = 16
"""Workers called at the same time in one round."""
MOST_OFFERED = 3
"""Workers that are tried while a Server waits for the answer to its task."""
BUSY = WorkerWord.RENDERING.value


def push_round(farm: Farm, pusher: Pusher) -> None:
    """Look after everybody who is due, and give out what there is."""
    if not pusher.may_push:
        return
    members = [member for member in fleet.everybody(farm) if not member.pulls]
    if not members:
        return
    with ThreadPoolExecutor(min(AT_ONCE, len(members)), "push") as pool:
        list(pool.map(lambda member: _look_after(farm, pusher, member), members))


def offer(farm: Farm) -> bool:
    """A task has just come in: push at once what can be pushed. True if something was."""
    pusher = current.pusher()
    if not pusher.may_push:
        return False
    farm.bell.ring(TOPIC)
    tried = 0
    for member in fleet.everybody(farm):
        if tried == MOST_OFFERED:
            break
        if not member.pulls and _may_have_a_task(farm, member, held_tasks(farm, member.worker)):
            tried += 1
            if _give(farm, pusher, member):
                return True
    return False


def _look_after(farm: Farm, pusher: Pusher, member: Member) -> None:
    held = held_tasks(farm, member.worker)
    for task in held:
        if task.cancel_reason is not None and _kill(farm, pusher, member):
            leases.give_back(farm, task.id, task.generation, Outcome.CANCELED, task.cancel_reason)
    if farm.clock.now() - member.polled_at >= _interval_ms(member, held):
        member = _poll(farm, pusher, member)
        held = held_tasks(farm, member.worker)
    if _may_have_a_task(farm, member, held):
        _give(farm, pusher, member)


def _interval_ms(member: Member, held: list[Task]) -> int:
    if not member.reachable:
        return SILENT_POLL_MS
    return BUSY_POLL_MS if member.info == BUSY and not held else POLL_MS


def _may_have_a_task(farm: Farm, member: Member, held: list[Task]) -> bool:
    free = member.said == WorkerWord.ENABLED and member.info == IDLE and not held
    return free and member.reachable and not standing.is_disabled(member.worker)


# ---- looking -------------------------------------------------------------------------------------------------------


def _poll(farm: Farm, pusher: Pusher, member: Member) -> Member:
    """What the worker says of itself, copied; its lease renewed."""
    now = farm.clock.now()
    said = calling.info(pusher, member)
    if said is None:
        return fleet.note(farm, member, reachable=False, polled_at=now)
    info = BUSY if said.get("status") == BUSY else IDLE
    activity, time_cost, log = said.get("activity"), said.get("time_cost"), said.get("log")
    log = log if isinstance(log, str) else None
    idle_task = _look_at_its_task(farm, member, info, activity, log)
    member = fleet.note(
        farm,
        member,
        reachable=True,
        polled_at=now,
        info=info,
        idle_task=idle_task,
        activity=activity if isinstance(activity, str) else None,
        log=log,
        time_cost=time_cost if isinstance(time_cost, int) else None,
    )
    return standing.heard_of(farm, member)


def _look_at_its_task(farm: Farm, member: Member, info: str, activity: Any, log: str | None) -> int:
    """Renew what it holds. Found idle twice over the same attempt, it has ended it and its report got lost."""
    for task in held_tasks(farm, member.worker):
        if info == IDLE:
            if member.idle_task == task.id:
                why = "its worker runs it no more, and has not reported"
                leases.give_back(farm, task.id, task.generation, Outcome.LOST, why)
                return 0
            return task.id
        _renew(farm, member, task, activity if isinstance(activity, str) and activity else BEGUN)
        keep_log(farm, member, task, log)
    return 0


def _renew(farm: Farm, member: Member, task: Task, activity: str) -> None:
    with suppress(LeaseLost):
        leases.renew(farm, member.id, task.id, task.generation, None, activity[:1000])


# ---- giving --------------------------------------------------------------------------------------------------------


def _give(farm: Farm, pusher: Pusher, member: Member) -> bool:
    """Claim for it and push. True if the worker has begun, or may have."""
    handed = handing.next_task(farm, member, None)
    if handed is None:
        return False
    member = _poll_before(farm, pusher, member, handed)
    if not member.reachable or member.info != IDLE:
        _give_back(farm, handed, "its worker is not free")
        return False
    return _execute(farm, pusher, member, handed)


def _poll_before(farm: Farm, pusher: Pusher, member: Member, handed: Handed) -> Member:
    """As the original asked whom it had chosen. It does not know of the task yet, so finding it idle means nothing."""
    said = calling.info(pusher, member)
    info = BUSY if said is not None and said.get("status") == BUSY else IDLE
    changes = {"reachable": said is not None, "info": info, "idle_task": 0, "polled_at": farm.clock.now()}
    member = fleet.note(farm, member, **changes)
    return standing.heard_of(farm, member) if said is not None else member


def _execute(farm: Farm, pusher: Pusher, member: Member, handed: Handed) -> bool:
    try:
        answer = calling.execute(pusher, member, handed)
    except PushRefused as refused:
        _give_back(farm, handed, refused.message)
        return False
    except PushFailed:
        return True  # it may have begun; the next rounds will see
    if answer.status == 200:
        _renew(farm, member, handed.task, BEGUN)
        return True
    _refused(farm, member, handed, answer)
    return False


def _refused(farm: Farm, member: Member, handed: Handed, answer: Answer) -> None:
    """500: it is busy with something else. Anything else: it does not want this task."""
    if answer.status == 500:
        fleet.note(farm, member, info=BUSY)
        _give_back(farm, handed, "its worker is busy")
    else:
        decline(farm, handed.task, f"its worker refused it with status {answer.status}")
        fleet.note(farm, member, declined_at=farm.clock.now())


def _give_back(farm: Farm, handed: Handed, why: str) -> None:
    leases.give_back(farm, handed.task.id, handed.task.generation, Outcome.RELEASED, why)


# ---- stopping ------------------------------------------------------------------------------------------------------


def stop(farm: Farm, known: Known, outcome: Outcome) -> bool:
    """Kill the program of a task on the worker that it was pushed to. False if there is none, or it does not answer:
    then the next rounds, or its own next report, bring it about."""
    lease = known.task.lease if known.task is not None else None
    member = fleet.find(farm, lease.worker) if lease is not None else None
    if known.task is None or lease is None or member is None or member.pulls:
        return False
    if not _kill(farm, current.pusher(), member):
        return False
    leases.give_back(farm, known.task.id, lease.generation, outcome, "stopped on request")
    return True


def _kill(farm: Farm, pusher: Pusher, member: Member) -> bool:
    """True: the worker is free now."""
    if not calling.kill(pusher, member):
        return False
    fleet.note(farm, member, info=IDLE)
    return True
