"""Every recorded exchange of the protocol's sheet is answered as recorded, with our own worker at work."""

from __future__ import annotations

import pytest
import requests

from chalicelib.core import workers
from chalicelib.core.farm import Farm
from chalicelib.core.lifecycle import ENDED_TASKS
from chalicelib.core.model import Job, Worker
from chalicelib.edge.uuids import uuid_of
from tests.contract.recordings import FOLDER, read, recordings
from tests.contract.replay import Answer, InProcess, OverHttp, Transport, check_recording
from tests.dialects.scheduler.conftest import Site, the_app
from tests.worker.processes import until

LASTING = ("sleep", "bash")
"""What the recordings run that does not end by itself."""


class WhenQuiet:
    """Asks when the program lasts, or has ended: a recording says what comes of it, not how long that takes."""

    def __init__(self, transport: Transport, farm: Farm) -> None:
        self._transport, self._farm = transport, farm

    def send(self, request: requests.PreparedRequest) -> Answer:
        if request.path_url == "/query":
            until(lambda: all(map(self._is_quiet, self._farm.jobs.page(None, 100, None)[0])), "quiet", 10)
        return self._transport.send(request)

    def _is_quiet(self, job: Job) -> bool:
        task = self._farm.tasks.get(job.first_task)
        if task is None or task.status in ENDED_TASKS:
            return True
        return task.lease is not None and task.cancel_reason is None and task.name in LASTING


def test_chalice_in_this_process_answers_as_recorded(site: Site, agent: Worker) -> None:
    for path in recordings("scheduler"):
        check_recording(read(path, worker=uuid_of(agent.id)), WhenQuiet(InProcess(the_app()), site.farm))


def test_the_embedded_server_answers_as_recorded(site: Site, agent: Worker) -> None:
    transport = OverHttp()
    for path in recordings("scheduler"):
        check_recording(read(path, worker=uuid_of(agent.id)), WhenQuiet(transport, site.farm), site.url)
    transport.close()


def test_the_engines_of_aws_serve_it_too(aws_farm: Farm) -> None:
    """Nobody can ring there, and nobody works there in this test: a start is 201 after its second."""
    worker, _ = workers.register(aws_farm, workers.Description("idle", task_types=("exec",)), with_secret=False)
    for name in ("query_while_running", "unknown_job", "errors_of_the_decoder"):
        check_recording(read(FOLDER / "scheduler" / f"{name}.json", worker=uuid_of(worker.id)), InProcess(the_app()))


@pytest.mark.parametrize("path", ["/start", "/stop", "/query"])
def test_a_slash_too_many_is_sent_on(site: Site, path: str) -> None:
    for transport, url in ((InProcess(the_app()), "http://farm"), (OverHttp(), site.url)):
        answer = transport.send(requests.Request("POST", f"{url}{path}/", json={}).prepare())
        assert (answer.status, answer.headers["location"], answer.body) == (307, path, b"")
