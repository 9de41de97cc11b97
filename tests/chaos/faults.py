"""What happens to the processes, disks, clocks and cables of a round. Each fault ends with everything running again.

One gives False where it cannot be had: on this machine, or in this round.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import psutil

from tests.chaos import clocks
from tests.chaos.disks import read_only
from tests.chaos.site import SKEW_SECONDS, Site
from tests.chaos.unwell_server import DIE_AFTER
from tests.together.ensemble import Program, Worker

Fault = Callable[[Site, random.Random], bool]
DEATH_SECONDS = 6.0


def kill_a_program(site: Site, choice: random.Random) -> bool:
    return _kill(choice, choice.choice(_mortal(site)))


def kill_everything(site: Site, choice: random.Random) -> bool:
    return _kill(choice, *_mortal(site))


def kill_the_server_for_longer_than_a_lease(site: Site, choice: random.Random) -> bool:
    return _away(site, choice.uniform(4.5, 7.0))


def kill_the_server_for_minutes(site: Site, choice: random.Random) -> bool:
    return _away(site, choice.uniform(65.0, 140.0))


def let_the_server_die_between_two_writes(site: Site, choice: random.Random) -> bool:
    """Of whatever it is doing then: a claim, a report, a submission, the settling of a job, the sweep."""
    number, before = choice.randint(1, 25), choice.random() < 0.5
    if not site.server_may_die:
        return False
    order = site.folder / DIE_AFTER
    if before:
        order.with_suffix(".before").touch()
    else:
        order.with_suffix(".before").unlink(missing_ok=True)
    clocks.put_wrong(order, number)
    deadline = time.monotonic() + DEATH_SECONDS
    while site.server.runs and time.monotonic() < deadline:
        time.sleep(0.02)
    order.unlink(missing_ok=True)
    if site.server.runs:
        return False
    site.server.start()
    return True


def stop_a_worker_in_order(site: Site, choice: random.Random) -> bool:
    worker = choice.choice([*site.workers.values()])
    worker.terminate()
    time.sleep(choice.uniform(0.0, 0.5))
    worker.start()
    return True


def freeze_a_worker_for_longer_than_a_lease(site: Site, choice: random.Random) -> bool:
    """Its agent alone: what it started goes on, until the guard ends that."""
    return _freeze(choice.choice([*site.workers.values()]), choice.uniform(4.5, 7.0))


def freeze_a_worker_for_a_moment(site: Site, choice: random.Random) -> bool:
    return _freeze(choice.choice([*site.workers.values()]), choice.uniform(0.2, 2.0))


def freeze_the_server(site: Site, choice: random.Random) -> bool:
    return _freeze(site.server, choice.uniform(0.5, 5.0))


def kill_a_task(site: Site, choice: random.Random) -> bool:
    """One process of one task: the attempt fails."""
    worker = choice.choice([*site.workers.values()])
    programs = _task_processes(worker)
    if programs:
        _signal(choice.choice(programs), signal.SIGKILL)
    return bool(programs)


def pull_a_cable(site: Site, choice: random.Random) -> bool:
    """What a worker sends vanishes, and what is sent to it; nobody is told."""
    seconds = choice.uniform(0.5, 7.0)
    if not site.hosts:
        return False
    host = choice.choice([*site.hosts.values()])
    host.cut()
    time.sleep(seconds)
    host.mend()
    return True


def fill_the_disk(site: Site, choice: random.Random) -> bool:
    seconds = choice.uniform(0.5, 3.0)
    if site.disk is None:
        return False
    with site.disk.full():
        time.sleep(seconds)
    return True


def make_the_table_read_only(site: Site, choice: random.Random) -> bool:
    """Under the server that has it open. Without its shared memory, or with it, which kills who writes there."""
    seconds, thorough = choice.uniform(0.5, 3.0), choice.random() < 0.3
    if not site.server_may_die or site.disk is not None or site.dynamo is not None:
        return False
    table = site.server.data / "farm.db"
    files = [table, table.with_name("farm.db-wal"), *([table.with_name("farm.db-shm")] if thorough else [])]
    with read_only(files) as done:
        time.sleep(seconds if done else 0.0)
    return done


def make_the_objects_read_only(site: Site, choice: random.Random) -> bool:
    """The folders themselves: nothing can be added to them."""
    seconds = choice.uniform(0.5, 3.0)
    if site.disk is not None:
        return False
    folders = [folder for folder in (site.server.data / "objects").rglob("*") if folder.is_dir()]
    with read_only(folders[:500]) as done:
        time.sleep(seconds if done else 0.0)
    return done


def put_a_clock_wrong(site: Site, choice: random.Random) -> bool:
    """While it runs; the server's only in rounds whose grace is made for that."""
    names = [*site.workers, *(["server"] * 2 if site.wishes.steps else [])]
    clocks.put_wrong(site.clock(choice.choice(names)), choice.choice([-SKEW_SECONDS, 0.0, SKEW_SECONDS]))
    return True


FAULTS: Mapping[Fault, int] = {
    kill_a_program: 40,
    kill_everything: 8,
    kill_the_server_for_longer_than_a_lease: 8,
    kill_the_server_for_minutes: 1,
    let_the_server_die_between_two_writes: 24,
    stop_a_worker_in_order: 16,
    freeze_a_worker_for_longer_than_a_lease: 16,
    freeze_a_worker_for_a_moment: 16,
    freeze_the_server: 16,
    kill_a_task: 24,
    pull_a_cable: 24,
    fill_the_disk: 24,
    make_the_table_read_only: 16,
    make_the_objects_read_only: 8,
    put_a_clock_wrong: 16,
}
"""With their weights."""


def one_of_them(choice: random.Random) -> Fault:
    return choice.choices(list(FAULTS), weights=list(FAULTS.values()))[0]


def _mortal(site: Site) -> list[Program]:
    return [*([site.server] if site.server_may_die else []), *site.workers.values()]


def _away(site: Site, seconds: float) -> bool:
    if not site.server_may_die:
        return False
    site.server.kill()
    time.sleep(seconds)
    site.server.start()
    return True


def _kill(choice: random.Random, *victims: Program) -> bool:
    for victim in victims:
        victim.kill()
    time.sleep(choice.uniform(0.0, 0.8))
    for victim in victims:
        victim.start()
    return True


def _freeze(program: Program, seconds: float) -> bool:
    _signal(program.process.pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        _signal(program.process.pid, signal.SIGCONT)
    return True


def _task_processes(worker: Worker) -> list[int]:
    try:
        children = psutil.Process(worker.process.pid).children(recursive=True)
        return [child.pid for child in children if child.name() in ("sh", "flock", "sleep")]
    except psutil.NoSuchProcess:
        return []


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
