"""Where a round takes place: what its seed wants of the machine, and what this machine gives.

All is drawn from the seed before it is tried, so that a seed plays the same round wherever the same is allowed.
"""

from __future__ import annotations

import json
import random
import sys
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import clocks, disks, hosts
from tests.chaos.disks import SmallDisk
from tests.chaos.hosts import Host
from tests.chaos.simulated_server import PEACE
from tests.together.ensemble import START_SECONDS, Ensemble, Program, Worker
from tests.worker.processes import until

SKEW_SECONDS = 60.0
SIMULATED, DYNAMO = 0.15, 0.2
"""Of all rounds: on a simulated table in place of `store/dynamo`, and with `store/dynamo` on a simulated service."""
LEASES = {"MILLRACE_LEASE_SECONDS": "3", "MILLRACE_GRACE_SECONDS": "1", "MILLRACE_LOST_AFTER_SECONDS": "3"}
LONG_GRACE = {**LEASES, "MILLRACE_GRACE_SECONDS": "66"}
"""Where the server's own clock is put wrong while leases run: the grace is there for that."""


@dataclass(frozen=True)
class Wishes:
    simulated: bool
    """A table that behaves as DynamoDB may, in place of `store/dynamo`; the server is not killed."""
    dynamo: bool
    """`store/dynamo`, on a service that behaves as DynamoDB may."""
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
        table, *others = (choice.random() for _ in range(4))
        simulated, dynamo = table < SIMULATED, SIMULATED <= table < SIMULATED + DYNAMO
        small, apart, steps = (one < share for one, share in zip(others, (0.3, 0.3, 0.08), strict=True))
        return cls(simulated, dynamo, small and not simulated, apart, steps, skews, workers)


class TableService(Program):
    """DynamoDB, for the length of a round."""

    def __init__(self, folder: Path, environment: dict[str, str], seed: int) -> None:
        super().__init__("dynamo", folder, environment)
        self._arguments = [str(folder), str(seed)]
        self.url = ""

    def start(self) -> None:
        self.begin([sys.executable, "-m", "tests.chaos.dynamo_process", *self._arguments])
        until(lambda: "ready http" in self.output or not self.runs, "the table's service", START_SECONDS)
        assert self.runs, self.output
        self.url = self.output.split()[1]

    def struck(self) -> Counter[str]:
        """What it has done to the farm."""
        with urllib.request.urlopen(f"{self.url}/struck", timeout=10) as answer:
            return Counter(json.load(answer))


class Site(Ensemble):
    """`conditions` says what it has become."""

    def __init__(self, folder: Path, seed: int, wishes: Wishes) -> None:
        super().__init__(folder, LONG_GRACE if wishes.steps else LEASES)
        self.wishes = wishes
        self.conditions: Counter[str] = Counter()
        self.disk: SmallDisk | None = None
        self.hosts: dict[str, Host] = {}
        self.is_over = False
        self._seed = seed
        self.dynamo = TableService(folder, self.environment, seed) if wishes.dynamo else None
        module = "tests.chaos.simulated_server" if wishes.simulated else "tests.chaos.unwell_server"
        self.server.program = ("-m", module, str(folder), str(seed))
        self.note("a table like DynamoDB", wishes.simulated)
        self.note("store/dynamo on a service like DynamoDB", wishes.dynamo)
        self.note("clocks that are a minute off", any(wishes.skews))
        clocks.put_wrong(self.clock("server"), wishes.skews[0])
        if wishes.small_disk:
            self.disk = disks.small_disk(folder / "disk")
            self.server.data = folder / "disk" / "farm" if self.disk else self.server.data
            self.note("a small disk", self.disk is not None)

    def start(self) -> Site:
        if self.dynamo is not None:
            self.dynamo.start()
            module = ("-m", "tests.chaos.simulated_server", str(self.folder), str(self._seed))
            self.server.program = (*module, "--dynamo", self.dynamo.url)
        super().start()
        return self

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
        assert not self.is_over, "the round is over"
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

    def abandon(self) -> None:
        """From another thread than the round's, which is somewhere in the middle: it finds everything dead, and can
        start nothing again. What it was just starting is met by a second call."""
        self.is_over = True
        programs = (self.server, *([self.dynamo] if self.dynamo else []), *self.workers.values())
        for program in programs:
            program.is_over = True
        self.end()

    def end(self) -> str:
        said = super().end()
        if self.dynamo is not None:
            self.dynamo.kill()
            said += f"\n---- {self.dynamo.name} ----\n{self.dynamo.output}"
        for host in self.hosts.values():
            host.remove()
        if self.disk is not None:
            self.disk.remove()
        return said
