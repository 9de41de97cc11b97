"""Each minute, where there is a fleet: look, decide (`core/fleet.py`), act.

    look      the group's machines, their workers, what waits
    decide    how many, who goes; written down before anything is done, so that of two looks at once one acts
    act       end what has no worker, say the new number, ask idle workers to go, hand out and take back join tokens

Everything is found anew in the next minute: whoever dies half way leaves nothing that is not done then.

A machine that has no worker yet finds a join token in the farm's bucket, under a name that only it may read
(`fleet/joins/<role id>:<instance id>`, see infra/fleet.yaml). The token is used once, ends by itself, and goes away
when the worker has called. A machine that is gone takes its worker and that worker's token with it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from ..core import access, fleet, fleet_memory, fleet_watching, joining, leaving
from ..core.farm import Farm
from ..core.fleet import Decision, State
from ..core.lifecycle import WorkerStatus
from ..core.model import Worker
from ..fleet_settings import TAG, FleetSettings
from ..store.scaling_group import Group, ScalingGroup

JOINS = "fleet/joins/"

log = logging.getLogger(__name__)


def look_after(farm: Farm, settings: FleetSettings, scaling: ScalingGroup) -> Decision | None:
    """None when there is nothing to look after, or somebody else does it at this moment."""
    group = scaling.look()
    if group is None:
        log.warning("there is no group %s", scaling.name, extra={"action": "fleet_missing"})
        return None
    before = fleet_memory.read(farm)
    seen, members = fleet_watching.seen(
        farm,
        waiting=fleet_watching.queued(farm, settings.abilities, fleet.enough(settings.rules)),
        desired=group.desired,
        machines={name: group.is_ending(name) for name in group.machines},
        first_seen=before.memory.first_seen,
        # Idle workers of a quiet farm may be told to wait for long (`core/idling.py`); they are not lost then.
        silent_ms=max(settings.silent_ms, int(farm.limits.lost_after_seconds * 1000)),
    )
    decision = _keeping_in_mind(farm, group, before, fleet.decide(settings.rules, seen, before.memory))
    if not fleet_memory.write(farm, before, decision):
        return None
    if (before.desired, before.reason) != (decision.desired, decision.reason):
        log.info("fleet of %d: %s", decision.desired, decision.reason, extra={"action": "fleet"})
    _bring_to(scaling, group, decision)
    for name in decision.ask_to_go:
        fleet_watching.ask_to_go(farm, members[name])
    for name in group.waiting_to_end:
        if name in members and members[name].status is WorkerStatus.OFFLINE:
            scaling.may_end(name)
    if group.machines or before.memory.first_seen:
        starting = [name for name, state in seen.machines.items() if state is State.STARTING]
        _let_in(farm, settings, starting)
        _forget_who_is_gone(farm, settings, group)
    return decision


def _keeping_in_mind(farm: Farm, group: Group, before: fleet_memory.Noted, decision: Decision) -> Decision:
    """Machines that are gone stay in memory until their workers are forgotten. Those may have to be silent for a while
    yet, and where the group is empty nobody would look any more."""
    gone = before.memory.first_seen.keys() - group.machines.keys()
    workers = {worker.name for worker in farm.workers.all() if TAG in worker.tags} if gone else set()
    kept = {name: before.memory.first_seen[name] for name in gone & workers}
    memory = replace(decision.memory, first_seen={**kept, **decision.memory.first_seen})
    return replace(decision, memory=memory)


def _bring_to(scaling: ScalingGroup, group: Group, decision: Decision) -> None:
    """A machine that goes takes its place in the group along, unless another is to have it."""
    desired = group.desired
    for name in decision.terminate:
        replace = desired <= decision.desired
        scaling.terminate(name, replace=replace)
        desired -= not replace
    if desired != decision.desired:
        scaling.set_desired(decision.desired)


def _let_in(farm: Farm, settings: FleetSettings, starting: Sequence[str]) -> None:
    """Each machine without a worker finds a join token; what lies there for others goes."""
    wanted = {f"{JOINS}{settings.role_id}:{name}": name for name in starting}
    there = {head.key for head in farm.objects.list(JOINS)}
    for key in there - wanted.keys():
        farm.objects.delete(key)
    # As long as the machine has to call before it is taken for dead, and a look's time.
    minutes = settings.silent_ms // 60_000 + 2
    for key in wanted.keys() - there:
        _, text = joining.make(farm, f"fleet {wanted[key]}", minutes)
        farm.objects.put(key, text.encode())


def _forget_who_is_gone(farm: Farm, settings: FleetSettings, group: Group) -> None:
    """Else every machine that ever was would stay in the lists of workers and tokens. The token goes first: it finds
    the worker no more once that is gone."""
    gone = [worker for worker in farm.workers.all() if _is_left_over(farm, settings, group, worker)]
    names = {worker.name for worker in gone}
    for token in access.tokens(farm) if gone else ():
        if token.worker in names and token.scopes == ("worker",):
            access.revoke(farm, token.id)
    for worker in gone:
        leaving.forget(farm, worker.id)


def _is_left_over(farm: Farm, settings: FleetSettings, group: Group, worker: Worker) -> bool:
    if TAG not in worker.tags or not worker.name.startswith("i-") or worker.name in group.machines:
        return False
    silent_ms = farm.clock.now() - worker.last_contact_at
    return worker.status is WorkerStatus.OFFLINE or silent_ms > settings.silent_ms
