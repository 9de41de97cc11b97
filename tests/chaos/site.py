"""Where a round takes place: what its seed wants of the machine, and what this machine gives.

All is drawn from the seed before it is tried, so that a seed plays the same round wherever the same is allowed.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import clocks, disks, hosts
from tests.chaos.disks import SmallDisk
from tests.chaos.hosts import Host
from tests.chaos.simulated_server import PEACE
from tests.together.ensemble import Ensemble, Worker

SKEW_SECONDS = 60.0
LEASES = {"MILLRACE_LEASE_SECONDS": "3", "MILLRACE_GRACE_SECONDS": "1", "MILLRACE_LOST_AFTER_SECONDS": "3"}
LONG_GRACE = {**LEASES, "MILLRACE_GRACE_SECONDS": "66"}
"""Where the server's own clock is put wrong while leases run: the grace is there for that."""


@dataclass(frozen=True)
class Wishes:
    simulated: bool
    """The table behaves as DynamoDB may; the server is not killed."""
    small_disk: bool
    separate_hosts: bool
    steps: bool
    """The server's clock is put wrong while it runs."""
    skews: Sequence[float]
    """Of the server, and of each worker, from the start."""
    workers: Sequence[int]
    """Their slots."""

    @classmethod
    def drawn(cls, choice: random.Random) -> Wishes:
        wrong = choice.random() < 0.4
        skews = [choice.choice([-SKEW_SECONDS, 0.0, SKEW_SECONDS]) if wrong else 0.0 for _ in range(4)]
        workers = [choice.randint(1, 2) for _ in range(choice.randint(2, 3))]
        simulated, small, apart, steps = (choice.random() < share for share in (0.25, 0.3, 0.3, 0.08))
        return cls(simulated, small and not simulated, apart, steps, skews, workers)


class Site(Ensemble):
    """`conditions` says what it has become."""

    def __init__(self, folder: Path, seed: int, wishes: Wishes) -> None:
        super().__init__(folder, LONG_GRACE if wishes.steps else LEASES)
        self.wishes = wishes
        self.conditions: Counter[str] = Counter()
        self.disk: SmallDisk | None = None
        self.hosts: dict[str, Host] = {}
        module = "tests.chaos.simulated_server" if wishes.simulated else "tests.chaos.unwell_server"
        self.server.program = ("-m", module, str(folder), str(seed))
        self.note("a table like DynamoDB", wishes.simulated)
        self.note("clocks that are a minute off", any(wishes.skews))
        clocks.put_wrong(self.clock("server"), wishes.skews[0])
        if wishes.small_disk:
            self.disk = disks.small_disk(folder / "disk")
            self.server.data = folder / "disk" / "farm" if self.disk else self.server.data
            self.note("a small disk", self.disk is not None)

    @property
    def server_may_die(self) -> bool:
        return not self.wishes.simulated

    def clock(self, name: str) -> Path:
        return self.folder / f"clock-{name}"

    def note(self, condition: str, holds: bool) -> None:
        if holds:
            self.conditions[condition] += 1

    def add_worker(self, number: int, port: int) -> Worker:
        """A worker that finds the proxy at this port; on a host of its own, if that is wished and can be had."""
        name = f"worker{number}"
        host = hosts.made() if self.wishes.separate_hosts else None
        if host is not None:
            self.hosts[name] = host
            self.note("workers on hosts of their own", True)
        clocks.put_wrong(self.clock(name), self.wishes.skews[1 + number])
        program = [sys.executable, "-m", "tests.chaos.unwell_worker", str(self.clock(name))]
        url = f"http://{host.gateway if host else '127.0.0.1'}:{port}"
        slots = str(self.wishes.workers[number])
        return self.worker(name, "--slots", slots, url=url, program=[*(host.command if host else []), *program])

    def revive(self) -> None:
        """A fault may have ended the server by itself."""
        if self.server_may_die and not self.server.runs:
            self.conditions["a server that died of it"] += 1
            self.server.start()

    def peace(self) -> None:
        (self.folder / PEACE).touch()
        for host in self.hosts.values():
            host.mend()

    def end(self) -> str:
        said = super().end()
        for host in self.hosts.values():
            host.remove()
        if self.disk is not None:
            self.disk.remove()
        return said
