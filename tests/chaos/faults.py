"""What happens to the processes of a round. Each fault ends with everything running again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Mapping

import psutil

from tests.together.ensemble import Ensemble, Program, Worker

Fault = Callable[[Ensemble, random.Random], None]


def kill_a_program(ensemble: Ensemble, choice: random.Random) -> None:
    _kill(choice, choice.choice([ensemble.server, *ensemble.workers.values()]))


def kill_everything(ensemble: Ensemble, choice: random.Random) -> None:
    _kill(choice, ensemble.server, *ensemble.workers.values())


def kill_the_server_for_longer_than_a_lease(ensemble: Ensemble, choice: random.Random) -> None:
    ensemble.server.kill()
    time.sleep(choice.uniform(4.5, 7.0))
    ensemble.server.start()


def stop_a_worker_in_order(ensemble: Ensemble, choice: random.Random) -> None:
    worker = choice.choice([*ensemble.workers.values()])
    worker.terminate()
    time.sleep(choice.uniform(0.0, 0.5))
    worker.start()


def freeze_a_worker_for_longer_than_a_lease(ensemble: Ensemble, choice: random.Random) -> None:
    """Its agent alone: what it started goes on, until the guard ends that."""
    _freeze(choice.choice([*ensemble.workers.values()]), choice.uniform(4.5, 7.0))


def freeze_a_worker_for_a_moment(ensemble: Ensemble, choice: random.Random) -> None:
    _freeze(choice.choice([*ensemble.workers.values()]), choice.uniform(0.2, 2.0))


def freeze_the_server(ensemble: Ensemble, choice: random.Random) -> None:
    _freeze(ensemble.server, choice.uniform(0.5, 5.0))


def kill_a_task(ensemble: Ensemble, choice: random.Random) -> None:
    """One process of one task: the attempt fails."""
    worker = choice.choice([*ensemble.workers.values()])
    if programs := _task_processes(worker):
        _signal(choice.choice(programs), signal.SIGKILL)


FAULTS: Mapping[Fault, int] = {
    kill_a_program: 6,
    kill_everything: 1,
    kill_the_server_for_longer_than_a_lease: 1,
    stop_a_worker_in_order: 2,
    freeze_a_worker_for_longer_than_a_lease: 2,
    freeze_a_worker_for_a_moment: 2,
    freeze_the_server: 2,
    kill_a_task: 3,
}
"""With their weights."""


def one_of_them(choice: random.Random) -> Fault:
    return choice.choices(list(FAULTS), weights=list(FAULTS.values()))[0]


def _kill(choice: random.Random, *victims: Program) -> None:
    for victim in victims:
        victim.kill()
    time.sleep(choice.uniform(0.0, 0.8))
    for victim in victims:
        victim.start()


def _freeze(program: Program, seconds: float) -> None:
    _signal(program.process.pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        _signal(program.process.pid, signal.SIGCONT)


def _task_processes(worker: Worker) -> list[int]:
    try:
        children = psutil.Process(worker.process.pid).children(recursive=True)
        return [child.pid for child in children if child.name() in ("sh", "flock", "sleep")]
    except psutil.NoSuchProcess:
        return []


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
