"""Which task a worker gets next: pure decisions over the lane registry and a page of candidates.

A lane holds the queued tasks of one requirement class, best first (job priority, own priority, age). A worker looks
only into lanes it may serve, so what it may not take never stands in its way.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter

from .model import JobId, Lease, Requirement, Spans, Worker
from .ports import Item, Key, Update
from .records import cursors, keys, task_writes
from .records.cursor_items import is_cursor
from .records.lanes import Registry, Served


def fits(requirement: Requirement, worker: Worker) -> bool:
    """Whether this worker may run what asks for this."""
    return (
        requirement.task_type in worker.abilities
        and requirement.require <= worker.tags
        and not requirement.forbid & worker.tags
        and requirement.worker in (None, worker.id)
    )


def kept_from(worker: Worker, candidate: Item) -> bool:
    """Whether the task failed on this worker before, or the worker is blocked for its job."""
    blocked = any(job == candidate["job"] and candidate["task_type"] == kind for job, kind in worker.blocked)
    return blocked or worker.id in (candidate.get("excluded") or ())


def key_of(candidate: Item) -> Key:
    return Key(candidate["pk"], candidate["sk"])


def served_by(worker: Worker, registry: Registry) -> Served:
    able = (worker.id, worker.task_types, worker.runtimes, worker.tags)
    if (known := registry.served.get(able)) is None:
        fitting = (lane for lane in registry.lanes if fits(lane.requirement, worker))
        lanes = tuple(sorted(fitting, key=lambda lane: -lane.top))
        partitions = tuple(keys.ready_pk(lane.requirement) for lane in lanes)
        known = registry.served[able] = Served(lanes, partitions)
    return known


CROWD = 20
"""Half a page."""
PAGES_IN_VAIN = 24
"""Looked at by one claim. Where that is not enough, another goes on behind them."""


@dataclass
class Picker:
    """Chooses among candidates of one claim and remembers why it passed some over.

    Runs inside the table's writer on exact engines: no table calls, no blocking.
    """

    worker: Worker
    halted: frozenset[JobId]
    lease: Lease
    """A pattern: generation and end are filled in per candidate."""
    grace_ms: int
    slots: int = 1
    """How many tasks the worker still wants: a cursor gives them all at once, they stand in one place."""
    allowed: frozenset[Key] = frozenset()
    """Entries that are kept from this worker, but that nobody else can take."""
    gated: frozenset[JobId] = frozenset()
    """Jobs that one enters by a gate."""
    tickets: dict[JobId, int] = field(default_factory=dict)
    """Gates that it has entered."""
    full: set[JobId] = field(default_factory=set)
    """Gates that let nobody more in."""
    spans: dict[JobId, Spans] = field(default_factory=dict)
    """The ids of jobs' tasks, where those are known."""
    stopped_at: dict[str, str] = field(default_factory=dict)
    """By partition: up to which sort key all was shut to everybody when it was looked at."""
    seen_up_to: dict[str, str] = field(default_factory=dict)
    """The same where something may be for others, and was not for this worker."""
    pages: int = PAGES_IN_VAIN
    """How many more it looks at of which it wants nothing; to get to where others stopped, four times as many."""
    got_on: bool = False
    """It has come there, or began anew."""
    cut_short: bool = False
    """More stands there than it has looked at."""
    wants: JobId | None = None
    """The gate at which it stopped: whoever called is to enter it, or to find it full, and to ask again."""
    met: frozenset[JobId] = frozenset()
    """Other gates on the same page, which may be full too."""
    crowds: set[JobId] = field(default_factory=set)
    """Jobs with a gate of which the page where it stopped held a crowd: theirs are asked for too, if it is full."""
    in_the_way: set[JobId] = field(default_factory=set)
    """Jobs that give it nothing, of which the page where it stopped held a crowd: whoever called is to say its ids."""
    asked: set[JobId] = field(default_factory=set)
    """Those whose ids were asked for."""
    not_for_it: set[str] = field(default_factory=set)
    """Partitions in which this look met what others may take."""
    passed_over: list[Item] = field(default_factory=list)
    """Candidates refused only because they, or too many like them, failed on this worker before."""

    def __call__(self, page: Sequence[Item]) -> Iterator[Update | None]:
        candidates = list(page)
        self.not_for_it |= {c["ready_pk"] for c in candidates if not self._is_shut(c)}
        open_to_it = [c for c in candidates if not self._is_shut(c) and self._not_kept_from_it(c)]
        running = _running(open_to_it)
        ranked = sorted(open_to_it, key=lambda c: self._rank(c, running))  # stable: equal ranks keep their age
        for candidate in self._home_shards_first(ranked):
            if candidate["job"] in self.gated and candidate["job"] not in self.tickets:
                self.wants = candidate["job"]
                self.met = (self.gated & {c["job"] for c in ranked}) - self.tickets.keys() - {self.wants}
                self.crowds |= self._crowds(c for c in candidates if c["job"] in self.met | {self.wants})
                yield None  # what stands further back must not overtake
                return
            yield self._grant(candidate)
        self._note_where(candidates)
        self.in_the_way |= self._crowds(filter(self._gives_nothing, candidates))
        self.pages -= not open_to_it
        has_seen_enough = self.pages <= (0 if self.got_on else -3 * PAGES_IN_VAIN)
        self.cut_short |= has_seen_enough
        if self.in_the_way or has_seen_enough:
            yield None

    def onward(self, last: Item) -> str | None:
        """Behind what a job that gives nothing has in this place of the lane, however much that is; and behind all that
        was found shut before, or not for this worker."""
        behind, pk = self._behind(last) if self._gives_nothing(last) else "", last["ready_pk"]
        key = max(behind, self.stopped_at.get(pk, ""), self.seen_up_to.get(pk, ""))
        return key if key > last["ready_sk"] else None

    def enter(self, job_id: JobId, ticket: int) -> None:
        """It is in, and must get as far as the job's tasks again."""
        self.tickets[job_id] = ticket
        self.pages, self.got_on = PAGES_IN_VAIN, False

    def go_on_from(self, stopped_at: Mapping[str, str], seen_up_to: Mapping[str, str]) -> None:
        self.stopped_at, self.seen_up_to, self.got_on = dict(stopped_at), dict(seen_up_to), False

    def look_again(self) -> None:
        """What it stopped at is known now."""
        self.crowds.clear()
        self.in_the_way.clear()
        self.not_for_it.clear()

    def _crowds(self, candidates: Iterable[Item]) -> set[JobId]:
        """Jobs of which many tasks are among these, with ids that it does not know."""
        tasks = {c["id"]: c for c in candidates if not is_cursor(c)}
        many = {job for job, entries in Counter(c["job"] for c in tasks.values()).items() if entries >= CROWD}
        many -= self.asked
        return {c["job"] for c in tasks.values() if c["job"] in many and self._behind(c) == c["ready_sk"]}

    def _note_where(self, candidates: Sequence[Item]) -> None:
        last = {c["ready_pk"]: c for c in sorted(candidates, key=itemgetter("ready_sk"))}
        for pk, candidate in last.items():
            behind = self._behind(candidate) if self._gives_nothing(candidate) else str(candidate["ready_sk"])
            is_own = pk in self.not_for_it or pk in self.seen_up_to  # of which it passes over a part
            places = self.seen_up_to if is_own else self.stopped_at
            if behind > places.get(pk, ""):
                places[pk] = behind
                self.pages, self.got_on = self.pages if self.got_on else PAGES_IN_VAIN, True

    def _behind(self, candidate: Item) -> str:
        """The sort key behind what its step has in this place: the ids of a step's tasks are its own, and stand in
        order. Its own key, where they are not known."""
        place, _, number = candidate["ready_sk"].partition("|")
        for first, end in self.spans.get(candidate["job"], ()):
            if first <= int(number) < end:
                return keys.ready_sk_from(place, end)
        return str(candidate["ready_sk"])

    def _is_shut(self, candidate: Item) -> bool:
        """To everybody."""
        return candidate["job"] in self.halted or candidate["job"] in self.full

    def _gives_nothing(self, candidate: Item) -> bool:
        """All of its job that stands in this lane."""
        return self._is_shut(candidate) or (candidate["job"], candidate["task_type"]) in self.worker.blocked

    def _not_kept_from_it(self, candidate: Item) -> bool:
        if not kept_from(self.worker, candidate) or key_of(candidate) in self.allowed:
            return True
        self.passed_over.append(candidate)
        return False

    def _rank(self, candidate: Item, running: Mapping[JobId, int]) -> tuple[str, int, int]:
        """Priority first; then, where that is counted, the job that runs the fewest; among equals the one that wishes
        for most of this worker's tags."""
        priorities = candidate["ready_sk"].partition("|")[0]
        wishes = len(self.worker.tags.intersection(candidate.get("wishes") or ()))
        return priorities, running.get(candidate["job"], 0), -wishes

    def _home_shards_first(self, ranked: Sequence[Item]) -> Iterator[Item]:
        """The cursors of one step are equals: each worker begins with another one, so that claims spread."""
        steps: dict[tuple[JobId, str], list[Item]] = defaultdict(list)
        for candidate in filter(is_cursor, ranked):
            steps[candidate["job"], candidate["ready_sk"]].append(candidate)
        for cursors_of_step in steps.values():
            cursors_of_step.sort(key=lambda c: (c["shard"] - self.worker.id) % c["shards"], reverse=True)
        for candidate in ranked:
            yield steps[candidate["job"], candidate["ready_sk"]].pop() if is_cursor(candidate) else candidate

    def _grant(self, candidate: Item) -> Update:
        ticket = self.tickets.get(candidate["job"])
        if is_cursor(candidate):
            tasks, at = self.slots_of(candidate["job"]), self.lease.granted_at
            return cursors.advanced(candidate, tasks, claim=self.signature, ticket=ticket, at=at)
        lease = self.granted(candidate["generation"], ticket)
        return task_writes.claimed(candidate["id"], candidate["generation"], lease)

    @property
    def signature(self) -> int:
        """Of this look: the next one of the same claim wants fewer."""
        said = f"{self.worker.id} {self.lease.request_id} {self.lease.granted_at} {self.slots}"
        return int.from_bytes(hashlib.blake2b(said.encode(), digest_size=6).digest(), "big")

    def enough(self, taken: Item) -> bool:
        """What a cursor gives is all that was still wanted; a ticket is good for one task, and then a new look is."""
        if is_cursor(taken) or taken["job"] in self.tickets:
            return True
        self.slots -= 1
        return self.slots == 0

    def slots_of(self, job_id: JobId) -> int:
        """How many tasks of this job it may take at once: with a ticket one."""
        return 1 if job_id in self.tickets else self.slots

    def granted(self, generation: int, ticket: int | None = None) -> Lease:
        """The lease on a task that had this generation before."""
        due_at = self.lease.granted_at + round(self.lease.seconds * 1000) + self.grace_ms
        return replace(self.lease, generation=generation + 1, due_at=due_at, ticket=ticket)


def _running(candidates: Sequence[Item]) -> Mapping[JobId, int]:
    """By job, as its cursors among these have counted."""
    running: dict[JobId, int] = defaultdict(int)
    for candidate in filter(is_cursor, candidates):
        running[candidate["job"]] += candidate.get("generation", 0)
    return running
