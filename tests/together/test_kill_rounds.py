"""Server and workers are killed again and again, at random moments, while they work through many short tasks.

What must hold at the end: every acknowledged submission is there and complete, no task completed twice, no attempt ran
twice, and what the jobs count is what their tasks are.
"""

from __future__ import annotations

import random
import shlex
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from millrace import Farm
from millrace.sdk.values import Job
from tests.together.conftest import SHORT
from tests.together.ensemble import Ensemble, Program
from tests.together.submissions import counts_equal_tasks, shell, submit

TASKS_PER_JOB = 8
END_SECONDS = 90.0


def some_tasks(notes: Path, choice: random.Random) -> list[dict[str, object]]:
    """Each run adds a line that names its attempt; some tasks wait for others."""
    note = f"echo $MILLRACE_TASK $MILLRACE_ATTEMPT >> {shlex.quote(str(notes))}"
    tasks = []
    for n in range(TASKS_PER_JOB):
        one = shell(f"task {n}", f"sleep {choice.uniform(0, 0.25):.2f}; {note}")
        one["parents"] = [f"task {parent}" for parent in range(n) if choice.random() < 0.1]
        tasks.append(one)
    return tasks


def strike(ensemble: Ensemble, choice: random.Random) -> None:
    """Kill somebody, or everybody, and start them again after a while."""
    programs: list[Program] = [ensemble.server, *ensemble.workers.values()]
    victims = programs if choice.random() < 0.2 else [choice.choice(programs)]
    time.sleep(choice.uniform(0.1, 1.2))
    for victim in victims:
        victim.kill()
    time.sleep(choice.uniform(0.0, 0.8))
    for victim in victims:
        victim.start()


def attempts_that_ran(notes: Path) -> Counter[tuple[str, ...]]:
    return Counter(tuple(line.split()) for line in notes.read_text().splitlines())


def check(farm: Farm, jobs: list[Job], notes: Path) -> None:
    ran = attempts_that_ran(notes)
    assert max(ran.values()) == 1, "an attempt ran twice"
    assert {job.id for job in farm.jobs()} == {job.id for job in jobs}
    for job in jobs:
        assert farm.job(job).status == "completed"
        assert counts_equal_tasks(farm, job)
        tasks = list(farm.tasks(job))
        assert len(tasks) == TASKS_PER_JOB
        for one in tasks:
            outcomes = [attempt.outcome for attempt in one.attempts]
            assert (outcomes.count("completed"), outcomes[-1]) == (1, "completed"), outcomes
            runs = sum(count for (task, _), count in ran.items() if task == one.id)
            assert 1 <= runs <= len(outcomes)


@pytest.mark.parametrize(
    ("seed", "rounds"),
    [(1, 4), *(pytest.param(seed, 15, marks=[pytest.mark.full, pytest.mark.timeout(400)]) for seed in range(2, 6))],
)
def test_after_rounds_of_kills_everything_is_done_once(
    found: Callable[..., Ensemble], tmp_path: Path, seed: int, rounds: int
) -> None:
    choice, notes = random.Random(seed), tmp_path / "notes"
    ensemble = found(**SHORT)
    for name in ("one", "two"):
        ensemble.worker(name)
    farm, jobs = ensemble.farm, []
    blows = random.Random(seed + 1000)
    with ThreadPoolExecutor(1) as somebody:
        for _ in range(rounds):
            blow = somebody.submit(strike, ensemble, blows)
            for _ in range(2):  # one of them may meet a server that is being killed
                jobs.append(submit(farm, *some_tasks(notes, choice), max_retries=50))
                time.sleep(choice.uniform(0.0, 1.2))
            blow.result()
    for job in jobs:
        farm.wait(job, timeout=END_SECONDS)
    check(farm, jobs, notes)
