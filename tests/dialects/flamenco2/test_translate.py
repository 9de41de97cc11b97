"""Every word of the farm has one here; ids go both ways; documents are whole."""

from __future__ import annotations

import io
from dataclasses import replace
from hashlib import sha256

import pytest

from chalicelib.core import blobs, errors, jobs, variables, workers
from chalicelib.core.errors import NotFound
from chalicelib.core.ids import LARGEST
from chalicelib.core.lifecycle import Outcome, TaskStatus, WorkerStatus
from chalicelib.core.model import Attempt, Lease, Task
from chalicelib.core.variables import Value, Variable
from chalicelib.dialects.flamenco2 import replies, translate
from chalicelib.edge import hexids
from tests.dialects.flamenco2.conftest import Site, command

THEIRS = {"queued", "claimed-by-manager", "active", "soft-failed", "failed", "completed", "canceled"}
THEIR_WORKERS = {"starting", "awake", "asleep", "testing", "timeout", "offline", "error"}


def test_every_status_has_a_word_of_theirs() -> None:
    assert translate.TASK_STATUSES.keys() == set(TaskStatus)
    assert set(translate.TASK_STATUSES.values()) <= THEIRS | {"paused"}
    assert translate.WORKER_STATUSES.keys() == set(WorkerStatus)
    assert set(translate.WORKER_STATUSES.values()) <= THEIR_WORKERS
    assert translate.REQUESTS.keys() == set(workers.REQUESTABLE)
    assert set(translate.REQUESTS.values()) == {"asleep", "awake", "shutdown"}


@pytest.fixture
def task(site: Site) -> Task:
    return site.tasks(site.submit())[0]


def attempt(outcome: Outcome) -> Attempt:
    return Attempt(1, 1, 7, outcome, None, None, 0, 1)


def test_what_is_queued_again_says_why(task: Task) -> None:
    assert translate.status_of(task) == "queued"
    for outcome in Outcome:
        again = replace(task, attempts=(attempt(outcome),))
        wanted = "soft-failed" if outcome is Outcome.FAILED else "claimed-by-manager"
        assert translate.status_of(again) == wanted


def test_what_is_to_stop_is_cancel_requested(task: Task) -> None:
    active = replace(task, status=TaskStatus.ACTIVE, lease=Lease(7, 1, "r", 0, 600, 0))
    assert translate.status_of(active) == "active"
    assert translate.status_of(replace(active, cancel_reason="no more")) == "cancel-requested"


def test_every_error_of_the_core_has_a_status() -> None:
    known = tuple(kind for kind, _ in replies._STATUSES)
    of_the_core = {kind for kind in vars(errors).values() if isinstance(kind, type)} - {
        errors.FarmError,
        errors.Refusal,
    }
    assert [kind for kind in of_the_core if issubclass(kind, errors.FarmError) and not issubclass(kind, known)] == []


@pytest.mark.parametrize("number", [1, 1311766803, 58236182171648, LARGEST])
def test_an_id_goes_both_ways(number: int) -> None:
    text = hexids.hex_of(number)
    assert len(text) == 24 and text == text.lower()
    assert hexids.id_of(text) == hexids.id_of(text.upper()) == number


def test_ids_keep_their_order_and_tell_the_time() -> None:
    numbers = [1, 2, 1 << 22, (1 << 22) + 1, 1311766803, LARGEST]
    assert sorted(hexids.hex_of(n) for n in numbers) == [hexids.hex_of(n) for n in numbers]
    assert int(hexids.hex_of(5 << 22)[:8], 16) == 1_577_836_805


@pytest.mark.parametrize(
    "text",
    ["", "x", "65f1c0de00000000000000b2", "f" * 24, "0" * 24, hexids.constant(3), hexids.hex_of(7)[:-1], None, 7],
)
def test_what_was_not_rendered_here_is_no_id(text: object) -> None:
    with pytest.raises(NotFound):
        hexids.id_of(text)


def test_no_other_digit_makes_an_id_of_ours() -> None:
    good = hexids.hex_of(1311766803)
    for position in range(8, 18):
        with pytest.raises(NotFound):
            hexids.id_of(good[:position] + ("0" if good[position] != "0" else "1") + good[position + 1 :])
    with pytest.raises(NotFound):
        hexids.id_of(good[:18] + "ffffff")


def test_variables_are_replaced_in_the_copy_that_is_sent(site: Site) -> None:
    values = (Value("/opt/blender/", "workers", ("linux",)), Value("C:\\blender", "workers", ("windows",)))
    variables.write(
        site.farm.table,
        {"blender": Variable(values), "render": Variable((Value("/r/", "all"), Value("/u", "users")), "twoway")},
    )
    settings = {
        "blender_cmd": "{blender}bin {unknown}",
        "filepath": "{render}/a.blend",
        "frames": 7,
        "list": ["{render}"],
    }
    site.submit_tasks([{"name": "r", "task_type": "sleep", "commands": [command("blender_render", **settings)]}])
    task = site.worker().take()
    assert task["commands"][0]["settings"] == {
        "blender_cmd": "/opt/blender/bin {unknown}",
        "filepath": "/r/a.blend",
        "frames": 7,
        "list": ["{render}"],
    }
    assert site.task(task["_id"]).work.commands[0]["settings"] == settings


def test_settings_are_an_object_even_when_there_are_none(site: Site) -> None:
    site.submit_tasks([{"name": "e", "task_type": "sleep", "commands": [{"name": "echo"}]}])
    assert site.worker().take()["commands"] == [{"name": "echo", "settings": {}}]


def test_what_needs_files_of_the_farm_is_not_given_away(site: Site) -> None:
    """Not even to a worker that says it can do everything."""
    blob = blobs.store(site.farm, io.BytesIO(b"x"), 1, sha256(b"x").hexdigest())
    settings = {"runtime": "python3", "code": str(blob.id)}
    job = jobs.submit(site.farm, jobs.Submission("f", "function", settings))
    worker = site.worker("function:python3", "transcode", "sleep")
    assert worker.ask() is None
    assert site.statuses(job) == ["queued"]
