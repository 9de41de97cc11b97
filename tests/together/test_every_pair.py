"""One farm: what is submitted through one protocol is run by workers of the others, and each sees the others' jobs.

The workers of other protocols are simulated, our own is the real one, and the farm is `millrace serve`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from chalicelib.dialects.transcode import translate as transcode
from chalicelib.edge import hexids
from tests.simulated.calling import Caller
from tests.simulated.clients import (
    ApiClient,
    Client,
    Flamenco1Client,
    FunctionClient,
    PleiadesClient,
    SchedulerClient,
    Submitted,
    TranscodeClient,
)
from tests.simulated.flamenco1 import PullingWorker, PushedToWorker
from tests.simulated.flamenco2 import Flamenco2Worker
from tests.simulated.native import NativeWorker
from tests.simulated.pleiades import PleiadesWorker
from tests.simulated.transcode import TranscodeWorker
from tests.simulated.truth import Truth
from tests.simulated.worker import Given, SimulatedWorker
from tests.together.ensemble import Ensemble
from tests.worker.processes import until

SECONDS = 30.0
PROGRAMS = (Flamenco2Worker, PullingWorker, PushedToWorker, NativeWorker)
"""Workers that run whatever program they are given."""
RUNS: dict[type[Client], tuple[type[SimulatedWorker], ...]] = {
    ApiClient: PROGRAMS,
    FunctionClient: (PleiadesWorker, NativeWorker),
    PleiadesClient: (PleiadesWorker, NativeWorker),
    Flamenco1Client: PROGRAMS,
    TranscodeClient: (TranscodeWorker, NativeWorker),
    SchedulerClient: PROGRAMS,
}
"""Who runs whose jobs."""
PAIRS = [(client, worker) for client, workers in RUNS.items() for worker in workers]


NUMBERS = count(1)
"""No two jobs of this farm have the same."""


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ensemble]:
    """One for all these tests; each has its workers forgotten at its end."""
    ensemble = Ensemble(tmp_path_factory.mktemp("pairs"), {}).start()
    yield ensemble
    print(ensemble.end())


@pytest.fixture
def caller(farm: Ensemble) -> Iterator[Caller]:
    made = Caller(farm.server.url)
    yield made
    made.close()


@pytest.fixture
def join(farm: Ensemble) -> Iterator[Callable[[type[SimulatedWorker]], SimulatedWorker]]:
    """Make a worker of this kind, part of the farm until the test ends."""
    made: list[SimulatedWorker] = []

    def one(kind: type[SimulatedWorker]) -> SimulatedWorker:
        made.append(kind(farm.server.url, f"{kind.kind} worker"))
        made[-1].join()
        return made[-1]

    yield one
    for worker in made:
        hexid = hexids.hex_of(int(worker.number))
        worker.caller.send("POST", f"/worker-action/{hexid}", data={"action": "forget-worker"})
        worker.leave()


Join = Callable[[type[SimulatedWorker]], SimulatedWorker]


def a_client(kind: type[Client], caller: Caller, workers: list[str]) -> Client:
    """`workers`: ids of those on which the scheduler may start programs."""
    if kind is SchedulerClient:
        uuids = [caller.ok("GET", f"/api/v1/workers/{number}")["uuid"] for number in workers]
        return SchedulerClient(caller.url, uuids)
    return kind(caller.url)


def take(worker: SimulatedWorker) -> Given:
    """As soon as there is something."""
    found: list[Given] = []

    def asked() -> bool:
        given = worker.take()
        found.extend([given] if given is not None else [])
        return given is not None

    until(asked, f"a task for the {worker.kind} worker", SECONDS)
    return found[0]


def job_of(caller: Caller, submitted: Submitted) -> str:
    job = submitted.job or Truth.of(caller).job_called(submitted.name or "")
    assert job is not None
    return job


def ends(caller: Caller, client: Client, submitted: Submitted, ending: str) -> None:
    """In the farm's own eyes, and in those of the protocol that it was submitted through."""
    job = job_of(caller, submitted)
    until(lambda: caller.ok("GET", f"/api/v1/jobs/{job}")["status"] == ending, f"a job that is {ending}", SECONDS)
    assert client.ending(submitted) in ([ending] if client.TELLS_CANCELED else [ending, "failed"])


def see_it_at_work(caller: Caller, worker: SimulatedWorker, given: Given) -> None:
    """Every list of the farm shows that this worker has this task."""
    truth = Truth.of(caller)
    task = truth.task_named(given.name)
    assert task is not None and (task["status"], task["worker"]) == ("active", worker.number)
    job = truth.jobs[task["job"]]
    assert truth.workers[worker.number]["tasks"] == [task["id"]]
    # A job follows its tasks a moment later.
    until(lambda: caller.ok("GET", f"/api/v1/jobs/{job['id']}")["status"] == "active", "an active job", SECONDS)
    of_flamenco2 = {w["_id"]: w for w in caller.ok("GET", "/as-json")["workers"]}[hexids.hex_of(int(worker.number))]
    shown = (of_flamenco2["current_task"], of_flamenco2["current_job"], of_flamenco2["current_task_status"])
    assert shown == (hexids.hex_of(int(task["id"])), hexids.hex_of(int(job["id"])), "active")
    [of_flamenco1] = [w for w in caller.ok("GET", "/workers").values() if str(w["id"]) == worker.number]
    number = given.name[1] if given.name[0] == "flamenco1" else server_number(job) or task["id"]
    assert (str(of_flamenco1["current_task"]), of_flamenco1["connection"]) == (number, "online")
    if job["type"] == "function":
        assert caller.ok("GET", f"/job/{job['id']}")["state"] == "Running"
    if job["type"] == "transcode":
        listed = {one["id"]: one for one in caller.ok("POST", "/master/get_jobs", json={"limit": 1000})["jobs"]}
        assert listed[transcode.job_text(int(job["id"]))]["state"] == 2


def server_number(job: dict[str, Any]) -> str | None:
    """What a Server of Flamenco 1 calls its task."""
    kind, _, number = job["name"].partition(" ")
    return str(number) if kind == "print_string" else None


@pytest.mark.parametrize(("client_kind", "worker_kind"), PAIRS, ids=lambda kind: str(kind.kind).replace(" ", "-"))
def test_a_worker_of_one_protocol_runs_what_a_client_of_another_submitted(
    caller: Caller, join: Join, client_kind: type[Client], worker_kind: type[SimulatedWorker]
) -> None:
    worker = join(worker_kind)
    assert worker.take() is None
    client = a_client(client_kind, caller, [worker.number])
    submitted = client.submit(next(NUMBERS))
    given = take(worker)
    see_it_at_work(caller, worker, given)
    assert worker.may_go_on(given)
    assert worker.end(given, "completed")
    ends(caller, client, submitted, "completed")
    task = Truth.of(caller).task_named(given.name)
    assert task is not None and [a["worker"] for a in task["attempts"]] == [worker.number]
    client.caller.close()


@pytest.mark.parametrize(("client_kind", "worker_kind"), PAIRS, ids=lambda kind: str(kind.kind).replace(" ", "-"))
def test_what_is_canceled_through_one_protocol_stops_on_a_worker_of_another(
    caller: Caller, join: Join, client_kind: type[Client], worker_kind: type[SimulatedWorker]
) -> None:
    """A worker of Pleiades is never told by its manager, so it finds out when it asks."""
    worker = join(worker_kind)
    client = a_client(client_kind, caller, [worker.number])
    submitted = client.submit(next(NUMBERS))
    given = take(worker)
    assert worker.may_go_on(given)
    client.cancel(submitted)
    until(lambda: not worker.may_go_on(given), "a worker that is told to stop", SECONDS)
    worker.stopped(given)
    if client_kind is TranscodeClient:
        assert client.caller.ok("POST", "/master/get_job", json={"job_id": submitted.reference})["job"] == {}
    else:
        ends(caller, client, submitted, "canceled")
    assert take_none(worker)
    client.caller.close()


def take_none(worker: SimulatedWorker) -> bool:
    return all(worker.take() is None for _ in range(3))


@pytest.mark.parametrize("kind", PROGRAMS, ids=lambda kind: str(kind.kind).replace(" ", "-"))
def test_priorities_hold_across_protocols(caller: Caller, join: Join, kind: type[SimulatedWorker]) -> None:
    """Flamenco 1 counts from 0, the most urgent, to 100; the farm the other way round."""
    api, server = ApiClient(caller.url), Flamenco1Client(caller.url)
    numbers = [next(NUMBERS) for _ in range(4)]
    api.submit(numbers[0], priority=20)
    server.submit(numbers[1], priority=10)
    api.submit(numbers[2], priority=80)
    server.submit(numbers[3], priority=70)
    worker, ran = join(kind), []
    for _ in range(4):
        given = take(worker)
        task = Truth.of(caller).task_named(given.name)
        assert task is not None
        ran.append(task["job"])
        assert worker.end(given, "completed")
    names = [Truth.of(caller).jobs[job]["name"] for job in ran]
    wanted = ["commands {}", "print_string {}", "commands {}", "print_string {}"]
    assert names == [wanted[n].format(numbers[n]) for n in (1, 2, 3, 0)]
    api.caller.close()
    server.caller.close()


@pytest.mark.parametrize("kind", [SchedulerClient, Flamenco1Client], ids=lambda kind: str(kind.kind))
def test_our_own_worker_runs_what_other_clients_submit(farm: Ensemble, caller: Caller, kind: type[Client]) -> None:
    """For Pleiades and the transcode protocol, which need files, in tests of their own."""
    process = farm.worker(f"ours for {kind.kind}")
    until(lambda: any(w.status == "awake" for w in farm.farm.workers()), "a worker that is awake", SECONDS)
    ours = next(worker for worker in farm.farm.workers() if worker.status == "awake")
    client = a_client(kind, caller, [ours.id])
    ends(caller, client, client.submit(next(NUMBERS)), "completed")
    client.caller.close()
    assert process.terminate() == 0
