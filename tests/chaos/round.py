"""One seeded round: a farm, its workers, jobs, people who change their minds, faults; then peace, and the checker."""

from __future__ import annotations

import random
import shlex
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from millrace import Farm
from millrace.sdk.errors import Conflict, FarmError
from millrace.sdk.values import Job
from tests.chaos import history
from tests.chaos.checker import violations
from tests.chaos.faults import one_of_them
from tests.chaos.history import Exchange, Run, ending_of
from tests.chaos.proxy import Proxy, Weather
from tests.chaos.site import Site, Wishes
from tests.together.submissions import shell

TASKS_PER_JOB = 6
LARGE_STEP = "1-120"
RENDERED = 5
END_SECONDS = 240.0


@dataclass(frozen=True)
class Outcome:
    seed: int
    found: Sequence[str]
    """Violations, and whatever else went wrong; empty: the round passed."""
    exchanges: int
    undelivered: int
    grants: int
    faults: Counter[str]
    conditions: Counter[str]
    """Under which they struck."""


def play(seed: int, folder: Path, *, faults: int = 5, dynamo: bool = False) -> Outcome:
    """Leaves in the folder what all processes said, and the history. `dynamo`: on `store/dynamo`, whatever the seed
    wishes."""
    choice = random.Random(seed)
    wishes = Wishes.drawn(choice)
    wishes = replace(wishes, simulated=False, dynamo=True) if dynamo else wishes
    folder.mkdir(parents=True)
    site = Site(folder, seed, wishes)
    _under_way.append(site)
    struck: Counter[str] = Counter()
    proxy: Proxy | None = None
    try:
        site.start()
        proxy = Proxy(site.server.url, random.Random(seed + 1))
        proxy.start()
        for number in range(len(wishes.workers)):
            site.add_worker(number, proxy.port)
        proxy.weather = _weather(choice)
        people = _People(proxy.url, folder, random.Random(seed + 2))
        people.start()
        for _ in range(faults):
            time.sleep(choice.uniform(0.2, 1.5))
            fault = one_of_them(choice)
            if fault(site, choice):
                struck[fault.__name__] += 1
            site.revive()
        people.join()
        site.peace()
        proxy.weather = Weather()
        proxy.settle()
        people.resume_all()
        found = _wait_for_the_end(site.farm)
        ending = ending_of(site.farm)
        found += violations(proxy.history, people.acknowledged, ending, _run(folder))
        found += _pictures(site.farm, people.rendered, folder / "results")
        if site.dynamo is not None:
            found += _failures(proxy.history)
            struck.update({f"table: {what}": number for what, number in site.dynamo.struck().items()})
    finally:
        if proxy is not None:
            proxy.stop()
            history.write(folder / "history.jsonl", proxy.history)
        site.end()
        _under_way.remove(site)
    lost = sum(not exchange.delivered or exchange.answered_at is None for exchange in proxy.history)
    grants = sum(len((exchange.answer or {}).get("assignments", ())) for exchange in proxy.history)
    return Outcome(seed, [*people.trouble, *found], len(proxy.history), lost, grants, struck, site.conditions)


_under_way: list[Site] = []


def abandon_all() -> None:
    """Of the rounds that are under way nothing is left running. They end, sooner or later, with an error."""
    for site in [*_under_way]:
        site.abandon()


def broken(seed: int, error: Exception) -> Outcome:
    """A round that did not come to its end."""
    return Outcome(seed, [f"the round broke: {error!r}"], 0, 0, 0, Counter(), Counter())


def _weather(choice: random.Random) -> Weather:
    """Some rounds are calm, so that the faults of processes stand alone; in a storm a tenth of all goes wrong."""
    if choice.random() < 0.3:
        return Weather()
    rates = [choice.choice([0.0, 0.02, 0.1]) for _ in range(8)]
    return Weather(*rates)


def _script(folder: Path, choice: random.Random, longest_seconds: float) -> str:
    """Runs alone, or says that it did not: its lock lives as long as its processes do."""
    lock, overlaps = shlex.quote(f"{folder}/lock-") + "$MILLRACE_TASK", shlex.quote(f"{folder}/overlaps")
    work = f"sleep {choice.uniform(0.0, longest_seconds):.2f}"
    if choice.random() < 0.1:
        work += '; [ "$MILLRACE_ATTEMPT" -gt 1 ]'  # fails once
    held = f"flock --nonblock --conflict-exit-code 99 {lock} sh -c {shlex.quote(work)}"
    return f'{held}; code=$?; [ $code -ne 99 ] || echo "$MILLRACE_TASK" >> {overlaps}; exit $code'


def _run(folder: Path) -> Run:
    overlaps = folder / "overlaps"
    return Run(tuple(overlaps.read_text().split()) if overlaps.exists() else ())


class _People(threading.Thread):
    """Submit jobs, and now and then pause, resume, cancel or retry one. All of it through the proxy."""

    def __init__(self, url: str, folder: Path, choice: random.Random) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self.trouble: list[str] = []
        self.rendered: str | None = None
        """The job whose tasks make files."""
        self._farm = Farm(url, patience_seconds=600.0)  # the server may be away for minutes, and again
        self._folder = folder
        self._choice = choice

    def run(self) -> None:
        try:
            for number in range(5):
                self._submit(number)
                time.sleep(self._choice.uniform(0.1, 1.5))
                if self._choice.random() < 0.4:
                    self._change_a_mind(self._choice.choice(self.acknowledged))
        except Exception as error:  # told at the end of the round, in its own words
            self.trouble.append(f"a client failed: {error!r}")

    def _submit(self, number: int) -> None:
        large = number == 0 and self._choice.random() < 0.4
        if number == 1:
            self.acknowledged.append(self._render())
            return
        job = self._submit_frames() if large else self._submit_commands(number)
        self.acknowledged.append(job.id)

    def _submit_commands(self, number: int) -> Job:
        tasks = []
        for n in range(TASKS_PER_JOB):
            one = shell(f"task {n}", _script(self._folder, self._choice, 1.5))
            one["parents"] = [f"task {parent}" for parent in range(n) if self._choice.random() < 0.15]
            tasks.append(one)
        return self._farm.submit("commands", {"tasks": tasks}, name=f"job {number}", max_retries=30)

    def _render(self) -> str:
        """A few tasks whose results go to the farm as files."""
        command = ["sh", "-c", 'echo "frame $1" > "$2/f$1.txt"', "frame", "{frame}", "{output}"]
        settings = {"frames": f"1-{RENDERED}", "command": command}
        self.rendered = self._farm.submit("frames", settings, name="rendered", max_retries=30).id
        return self.rendered

    def _submit_frames(self) -> Job:
        """A step that is given away by a cursor: its tasks are in no table before somebody claims them."""
        command = ["sh", "-c", _script(self._folder, self._choice, 0.05), "frame", "{frame}"]
        return self._farm.submit("frames", {"frames": LARGE_STEP, "command": command}, name="large", max_retries=30)

    def _change_a_mind(self, job_id: str) -> None:
        """Any of these may come too late, or be repeated by a cut connection; the farm then says so."""
        first, then = self._choice.choice([("pause", "resume"), ("cancel", "retry"), ("cancel", None)])
        for verb in (first, then):
            if verb is None:
                continue
            try:
                _act(self._farm, verb)(job_id)
            except FarmError:
                pass
            time.sleep(self._choice.uniform(0.1, 1.0))

    def resume_all(self) -> None:
        """When the weather is fine again: a pause may have come after its resume, which has no order of its own."""
        for job in self._farm.jobs("paused"):
            with suppress(Conflict):  # a resume that was delayed has just come
                self._farm.resume(job)


def _act(farm: Farm, verb: str) -> Callable[[str], object]:
    return {"pause": farm.pause, "resume": farm.resume, "cancel": farm.cancel, "retry": farm.retry}[verb]


def _pictures(farm: Farm, job: str | None, folder: Path) -> list[str]:
    """What is wrong with the files of the job that made some, if it was not canceled."""
    if job is None or farm.job(job).status != "completed":
        return []
    made = {path.name: path.read_text() for path in farm.download(job, folder)}
    right = {f"f{frame}.txt": f"frame {frame}\n" for frame in range(1, RENDERED + 1)}
    return [] if made == right else [f"job {job} is complete, and its files are {made}"]


def _failures(exchanges: Sequence[Exchange]) -> list[str]:
    """What the farm could not explain: a troubled table is no reason for that."""
    return [f"{one.method} {one.path} was answered 500" for one in exchanges if one.status == 500]


def _wait_for_the_end(farm: Farm) -> list[str]:
    """Everything has to settle by itself, now that nobody disturbs it. Says what did not."""
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        if farm.info().counts["open_jobs"] == 0:
            return []
        time.sleep(0.1)
    return [f"after {END_SECONDS:.0f} s of peace {farm.info().counts['open_jobs']} jobs have not settled"]
