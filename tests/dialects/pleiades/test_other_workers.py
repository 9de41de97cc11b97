"""What one worker can do to another's work: nothing, with any id it knows or guesses. On an open farm too."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from chalicelib.core import tasks
from chalicelib.core.model import Task
from tests.dialects.pleiades.conftest import Site
from tests.dialects.pleiades.native_worker import SELF, Native, enlist, lease, submit


@pytest.fixture
def victim(site: Site) -> Native:
    return enlist(site)


@pytest.fixture
def thief(site: Site, victim: Native) -> Native:
    return enlist(site, name="thief")


@pytest.fixture
def taken(site: Site, victim: Native) -> dict[str, Any]:
    """What the victim holds."""
    submit(site, 2)
    return victim.take()


def state(site: Site, taken: dict[str, Any]) -> Task:
    return tasks.get(site.farm, int(taken["task"]))


def guesses(taken: dict[str, Any]) -> list[dict[str, Any]]:
    """The lease itself, its neighbours, and others that could be: ids count up, so they can be guessed."""
    task, generation = int(taken["task"]), taken["generation"]
    near = [{"task": str(task + step), "generation": g} for step in range(-3, 4) for g in (generation, generation + 1)]
    return near + [{"task": str(2**53 - 1), "generation": 1}]


def test_its_lease_is_not_renewed_and_its_progress_not_told(
    site: Site, victim: Native, thief: Native, taken: dict[str, Any]
) -> None:
    before = state(site, taken)
    answer = thief.ok("renew", {"leases": [{**one, "progress": 99.0, "activity": "mine"} for one in guesses(taken)]})
    assert [one["held"] for one in answer["leases"]] == [False] * len(guesses(taken))
    assert state(site, taken) == before


@pytest.mark.parametrize("outcome", ["completed", "failed", "canceled", "interrupted"])
def test_its_task_is_not_ended(site: Site, thief: Native, taken: dict[str, Any], outcome: str) -> None:
    before = state(site, taken)
    reports = [{**one, "outcome": outcome} for one in guesses(taken)]
    assert not any(verdict["accepted"] for verdict in thief.contract(reports=reports)["reports"])
    assert state(site, taken) == before


def test_its_request_id_gives_nobody_else_its_lease(
    site: Site, victim: Native, thief: Native, taken: dict[str, Any]
) -> None:
    given = thief.contract(slots=1, request_id=f"k{victim.asked}", repeat=True)["assignments"]
    assert taken["task"] not in [one["task"] for one in given]
    assert victim.report(taken)["accepted"] is True


def test_what_it_holds_cannot_be_claimed_by_saying_so(
    site: Site, victim: Native, thief: Native, taken: dict[str, Any]
) -> None:
    before = state(site, taken)
    thief.ok("sign-on", {"worker": SELF, "held": guesses(taken)})
    thief.contract(held=guesses(taken))
    thief.ok("sign-off", {})
    assert state(site, taken) == before
    assert victim.report(taken)["accepted"] is True


@pytest.mark.parametrize("chunk", [{"text": "forged"}, {"size": 6, "sha256": hashlib.sha256(b"forged").hexdigest()}])
def test_nothing_is_written_into_its_log(
    site: Site, victim: Native, thief: Native, taken: dict[str, Any], chunk: dict[str, Any]
) -> None:
    victim.ok("log", {**lease(taken), "offset": 0, "text": "true"})
    for one in guesses(taken):
        for offset in (0, 4):
            refused = thief.call("log", {**one, "offset": offset, **chunk})
            assert refused.status_code in (404, 409) and "upload" not in refused.json(), one
    assert site.farm.objects.get(f"logs/{taken['task']}/{taken['generation']:06d}/{0:016d}") == b"true"


def test_its_calls_cannot_be_made(site: Site, victim: Native, thief: Native, taken: dict[str, Any]) -> None:
    before = state(site, taken)
    for action in ("contract", "renew", "log", "status", "sign-on", "sign-off"):
        posing = Native(site, victim.id, thief.secret)
        assert posing.call(action, {}).status_code == 401, action
        assert Native(site, victim.id, "").call(action, {}).status_code == 401, action
    assert state(site, taken) == before
