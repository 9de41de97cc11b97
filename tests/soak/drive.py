"""Thirty workers at work, each on a thread of its own, and what each saw: one `Execution` per task it was given.

What befalls an execution (failure, silence, a restart, a report sent twice) is drawn from the seed, the worker's name
and the number of the execution, so a seed repeats as far as threads allow.
"""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from tests.simulated.transcode import BEAT_SECONDS
from tests.simulated.worker import Given, SimulatedWorker

IDLE_SECONDS = 0.25
WORK_SECONDS = 0.08
LATE_SECONDS = 3.0
"""So much longer than it may a silent worker stays away."""
SHORT_SILENCE_SECONDS = 2.0
"""Where a protocol lets its workers be silent for very long."""


class Fate(Enum):
    WELL = "well"
    FAILS = "fails"
    TWICE = "twice"
    """It asks again for what it has, and reports again what it has reported."""
    SILENT = "silent"
    """It says nothing for a while, then reports as if nothing had been."""
    RESTARTS = "restarts"
    """Its process dies with the task, and comes back knowing of nothing."""
    GIVES_BACK = "gives back"


CHANCES: Mapping[Fate, int] = {
    Fate.WELL: 74,
    Fate.FAILS: 6,
    Fate.TWICE: 8,
    Fate.SILENT: 4,
    Fate.RESTARTS: 4,
    Fate.GIVES_BACK: 4,
}


@dataclass
class Execution:
    """Times are this process's own, in seconds. From `began_at` to `ended_at` the worker believed to have the task."""

    worker: str
    """Its id in the farm at that time."""
    kind: str
    given: Given
    fate: Fate
    began_at: float
    ended_at: float = 0.0
    """Before the report went out, or when it stopped for another reason."""
    outcome: str = "none"
    accepted: bool = False
    """The farm took the outcome."""


class Drive:
    """`failures`: what went wrong on any thread; a run with one is worth nothing."""

    def __init__(self, workers: list[SimulatedWorker], seed: int) -> None:
        self.workers = workers
        self.executions: list[Execution] = []
        self.failures: list[str] = []
        self._seed = seed
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._guarded(self._work, one), name=one.name) for one in workers]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _guarded(self, work: Callable[[SimulatedWorker], None], worker: SimulatedWorker) -> Callable[[], None]:
        def run() -> None:
            try:
                work(worker)
            except Exception:
                self.failures.append(f"{worker.name}: {traceback.format_exc()}")

        return run

    def _work(self, worker: SimulatedWorker) -> None:
        number = 0
        while not self._stop.is_set():
            given = worker.take()
            if given is None:
                time.sleep(IDLE_SECONDS)
                continue
            number += 1
            dice = random.Random(f"{self._seed}/{worker.name}/{number}")
            fate = dice.choices(list(CHANCES), list(CHANCES.values()))[0]
            execution = Execution(worker.number, worker.kind, given, fate, time.monotonic())
            with self._lock:
                self.executions.append(execution)
            self._execute(worker, execution, dice)

    def _execute(self, worker: SimulatedWorker, execution: Execution, dice: random.Random) -> None:
        given, fate = execution.given, execution.fate
        if fate is Fate.TWICE:
            again = worker.take_again(given)
            assert again is None or again.name == given.name, f"asked again, {worker.name} got {again} for {given}"
        if not worker.may_go_on(given):
            return self._stopped(worker, execution)
        time.sleep(dice.uniform(0, WORK_SECONDS))
        if fate is Fate.SILENT:
            self._be_silent(worker, execution)
        elif fate is Fate.RESTARTS:
            execution.ended_at, execution.outcome = time.monotonic(), "died"
            return worker.join()
        elif not worker.may_go_on(given):
            return self._stopped(worker, execution)
        if fate is Fate.GIVES_BACK:
            execution.ended_at, execution.outcome = time.monotonic(), "gave back"
            if worker.give_back(given):
                return None
        self._end(worker, execution, "failed" if fate is Fate.FAILS else "completed")

    def _end(self, worker: SimulatedWorker, execution: Execution, outcome: str) -> None:
        execution.outcome = outcome
        execution.ended_at = execution.ended_at or time.monotonic()
        execution.accepted = worker.end(execution.given, outcome)
        if execution.fate is Fate.SILENT and worker.LOST_AFTER_SECONDS is not None:
            execution.accepted = False  # by then it was lost, and on one machine the answer may be meant for another
        if execution.fate is Fate.TWICE:
            worker.end(execution.given, outcome)

    def _stopped(self, worker: SimulatedWorker, execution: Execution) -> None:
        execution.ended_at, execution.outcome = time.monotonic(), "stopped"
        worker.stopped(execution.given)

    def _be_silent(self, worker: SimulatedWorker, execution: Execution) -> None:
        """Its right to the task ends with its lease, or when it is called lost, whatever it believes."""
        allowed = execution.given.lease_seconds or worker.LOST_AFTER_SECONDS
        if allowed is None:
            time.sleep(SHORT_SILENCE_SECONDS)
            return
        execution.ended_at = time.monotonic() + allowed - BEAT_SECONDS
        worker.fall_silent(True)
        time.sleep(allowed + LATE_SECONDS)
        worker.fall_silent(False)
