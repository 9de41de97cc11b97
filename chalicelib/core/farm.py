"""The farm: everything the core's functions need, in one frozen bundle. `bootstrap.py` makes it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from .compiling import PlanCache
from .idle_count import IdleCount
from .ids import IdSource
from .plans import JobType
from .ports import Bell, Clock, Errands, ObjectStore, Table
from .records.aliases import AliasRecords
from .records.blobs import BlobRecords, FunctionRecords
from .records.changes import ChangeRecords
from .records.cursors import CursorRecords
from .records.gates import GateRecords
from .records.hooks import HookRecords
from .records.idle import IdleRecords
from .records.jobs import JobRecords
from .records.lanes import LaneRecords
from .records.statistics import StatisticsRecords
from .records.tasks import TaskRecords
from .records.windows import WindowRecords
from .records.workers import WorkerRecords
from .registry import RegistryCache
from .tally import Tally
from .type_policies import TypePolicies
from .variables import VariableCache


@dataclass(frozen=True)
class Limits:
    """Durations and sizes of this farm. Pairs are checked when it is made."""

    lease_seconds: float = 120.0
    """How long a worker may hold a task without renewing."""
    grace_seconds: float = 90.0
    """How much later than the worker the manager lets a lease end: 60 s of clock skew and a margin."""
    lost_after_seconds: float = 90.0
    """A worker without contact for so long is shown as lost."""
    contact_every_seconds: float = 20.0
    """`last_contact_at` is written no more often."""
    poll_busy_seconds: float = 0.5
    """What a worker is told to wait when there was something, but others were faster."""
    poll_holding_seconds: float = 1.0
    """The same for a worker that holds tasks: a person who stops one waits no longer than this until it hears of it."""
    poll_idle_seconds: float = 5.0
    poll_apart_seconds: float = 0.0
    """On a quiet farm so much lies between two questions of its idle workers (`idling`). 0: no longer pauses."""
    wait_seconds: float = 25.0
    """The longest long poll."""
    picture_seconds: float = 10.0
    """How long a worker waits after a picture until it sends another."""
    registry_seconds: float = 2.0
    """How old a process's picture of the lanes may be."""
    inline_bytes: int = 100_000
    """Settings above this are kept as an object: items end at 400 KB."""
    log_chunk_bytes: int = 262_144
    settle_seconds: float = 5.0
    """How long one call works for a job before it leaves the rest to an errand, where there are errands."""
    small_step_tasks: int = 100
    """A step of more tasks that are alike is not written task by task, but given away by cursors."""
    shard_tasks: int = 5_000
    """A large step has a cursor for each so many tasks, where indexes lag."""
    most_shards: int = 16
    blocklist_after: int = 3
    """Tasks of one job and type that fail on one worker before it is blocked for them."""

    def __post_init__(self) -> None:
        if self.contact_every_seconds >= self.lost_after_seconds:
            raise ValueError("contact_every_seconds must be below lost_after_seconds, or live workers show as lost")
        positive = (self.lease_seconds, self.lost_after_seconds, self.poll_idle_seconds, self.settle_seconds)
        if min(positive) <= 0 or min(self.grace_seconds, self.poll_apart_seconds) < 0:
            raise ValueError("durations must be positive")


@dataclass(frozen=True)
class Farm:
    table: Table
    objects: ObjectStore
    clock: Clock
    bell: Bell
    job_types: Mapping[str, JobType]
    limits: Limits = field(default_factory=Limits)
    random: random.Random = field(default_factory=random.Random)
    errands: Errands | None = None
    """None: every call does its own slow work, however long that takes (one machine)."""
    ids: IdSource = field(init=False)
    jobs: JobRecords = field(init=False)
    windows: WindowRecords = field(init=False)
    cursors: CursorRecords = field(init=False)
    tasks: TaskRecords = field(init=False)
    workers: WorkerRecords = field(init=False)
    changes: ChangeRecords = field(init=False)
    statistics: StatisticsRecords = field(init=False)
    idle_counts: IdleRecords = field(init=False)
    idle_count: IdleCount = field(init=False)
    tally: Tally = field(init=False)
    hooks: HookRecords = field(init=False)
    blobs: BlobRecords = field(init=False)
    functions: FunctionRecords = field(init=False)
    aliases: AliasRecords = field(init=False)
    lanes: LaneRecords = field(init=False)
    gates: GateRecords = field(init=False)
    registry: RegistryCache = field(init=False)
    plans: PlanCache = field(init=False)
    variables: VariableCache = field(init=False)
    type_policies: TypePolicies = field(init=False)

    def __post_init__(self) -> None:
        lanes, idle = LaneRecords(self.table), IdleRecords(self.table)
        made = {
            "ids": IdSource(self.table, self.clock),
            "jobs": JobRecords(self.table, self.clock),
            "windows": WindowRecords(self.table),
            "cursors": CursorRecords(self.table),
            "tasks": TaskRecords(self.table),
            "workers": WorkerRecords(self.table, self.clock),
            "changes": ChangeRecords(self.table),
            "statistics": StatisticsRecords(self.table),
            "idle_counts": idle,
            "idle_count": IdleCount(idle, self.clock),
            "tally": Tally(),
            "hooks": HookRecords(self.table),
            "blobs": BlobRecords(self.table),
            "functions": FunctionRecords(self.table),
            "aliases": AliasRecords(self.table),
            "lanes": lanes,
            "gates": GateRecords(self.table),
            "plans": PlanCache(self.job_types, self.objects),
            "variables": VariableCache(self.table, self.clock, self.limits.registry_seconds),
            "type_policies": TypePolicies(self.table, self.clock, self.limits.registry_seconds),
            "registry": RegistryCache(lanes, self.clock, self.bell, self.limits.registry_seconds),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)
