"""Who becomes a worker, and who is taken for one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace
from typing import Any

import pytest
import requests

from chalicelib.config import Settings, settings_from
from chalicelib.core import access, workers
from chalicelib.dialects.flamenco2 import registration_token
from chalicelib.edge import current, hexids
from tests.dialects.flamenco2.conftest import SECRET, Flamenco, Site

SHARED = "the farm's registration secret"
NODE = {"secret": SECRET, "platform": "linux", "supported_task_types": ["sleep", "debug"], "nickname": "node7"}


def test_a_registration_is_answered_with_the_worker(site: Site) -> None:
    answer = site.post("/register-worker", NODE)
    document = answer.json()
    assert answer.status_code == 200 and SECRET not in answer.text
    assert document["status"] == "" and document["supported_task_types"] == ["sleep", "debug"]
    assert len(document["_id"]) == 24


def test_each_registration_makes_a_new_worker(site: Site) -> None:
    first, second = (site.post("/register-worker", NODE).json()["_id"] for _ in range(2))
    assert first < second


def test_a_worker_without_task_types_is_registered_and_told_so_later(site: Site) -> None:
    answer = site.post("/register-worker", {"secret": SECRET})
    assert answer.status_code == 200
    worker = Flamenco(site, answer.json()["_id"], SECRET)
    answer = worker.post("/task")
    assert (answer.status_code, answer.text) == (406, "You do not support any task types.")


def test_one_that_shows_no_secret_can_do_nothing(site: Site) -> None:
    answer = site.post("/register-worker", {})
    assert answer.status_code == 200
    assert Flamenco(site, answer.json()["_id"], "").post("/task").status_code == 401


def refused(answer: requests.Response) -> bool:
    challenge = answer.headers.get("WWW-Authenticate")
    return (answer.status_code, answer.text, challenge) == (
        401,
        "401 Unauthorized",
        'Basic realm="Flamenco Manager"',
    )


@pytest.mark.parametrize("secret", [SECRET, "short", "pässwörd"])
def test_only_its_own_secret_opens(site: Site, secret: str) -> None:
    worker = site.worker(secret=secret)
    encoded = base64.b64encode(f"{worker.id}:{secret}".encode()).decode()
    headers = {"Authorization": f"Basic {encoded}"}
    assert site.call("POST", "/task", headers=headers).status_code == 204
    for wrong in ("", secret + "x", secret[:-1], SECRET.lower()):
        assert refused(site.call("POST", "/task", auth=(worker.id, wrong.encode())))


def test_what_is_no_worker_of_this_farm_is_refused_everywhere(site: Site) -> None:
    native, secret = workers.register(site.farm, workers.Description("n", task_types=("sleep",)), with_secret=True)
    assert secret is not None
    calls = [
        ("POST", "/sign-on"),
        ("POST", "/sign-off"),
        ("POST", "/task"),
        ("GET", "/task"),
        ("POST", "/tasks/65f1c0de00000000000000b2/update"),
        ("POST", "/tasks/65f1c0de00000000000000b2/return"),
        ("GET", "/may-i-run/65f1c0de00000000000000b2"),
        ("GET", "/status-change"),
        ("POST", "/ack-status-change/awake"),
        ("POST", "/output-produced"),
    ]
    users = ["", "node7", str(native.id), hexids.constant(1), "65f1c0de00000000000000a1", hexids.hex_of(native.id + 1)]
    for method, path in calls:
        assert refused(site.call(method, path))
        for user in users:
            assert refused(site.call(method, path, auth=(user, secret)))


def test_the_id_may_be_in_upper_case(site: Site) -> None:
    worker = site.worker()
    assert Flamenco(site, worker.id.upper(), SECRET).post("/task").status_code == 204


def test_a_forgotten_worker_is_unknown(site: Site) -> None:
    job = site.submit()
    worker = site.worker()
    worker.take()
    assert site.post(f"/worker-action/{worker.id}", data={"action": "forget-worker"}).status_code == 204
    assert refused(worker.post("/task"))
    assert site.statuses(job) == ["queued"]
    assert site.get("/as-json").json()["workers"] == []


# ---- with a registration secret ------------------------------------------------------------------------------------


def token(secret: str = SHARED, algorithm: str = "HS256", **claims: Any) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    now = time.time()
    signed = f"{part({'typ': 'JWT', 'alg': algorithm})}.{part({'exp': now + 900.5, 'iat': now - 0.25, **claims})}"
    digest = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(algorithm, hashlib.sha256)
    signature = hmac.new(secret.encode(), signed.encode(), digest).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.fixture
def closed_to_strangers(site: Site, settings: Settings) -> Site:
    current.serve(site.farm, replace(settings, flamenco_registration_secret=SHARED))
    return site


def registers(site: Site, authorization: str | None) -> tuple[int, str]:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = site.post("/register-worker", NODE, headers=headers)
    return answer.status_code, "" if answer.status_code == 200 else answer.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_signed_token_lets_in(closed_to_strangers: Site, algorithm: str, scheme: str) -> None:
    assert registers(closed_to_strangers, f"{scheme} {token(algorithm=algorithm)}") == (200, "")


def test_no_token_is_missing(closed_to_strangers: Site) -> None:
    for authorization in (None, "Basic eDp5", "Bearer", "Bearer "):
        assert registers(closed_to_strangers, authorization) == (403, "Missing Bearer token for registration")


def test_any_other_token_is_invalid(closed_to_strangers: Site) -> None:
    now = time.time()
    good = token()
    bad = [
        token("another secret"),
        token(algorithm="none"),
        good.rpartition(".")[0] + ".",
        token(algorithm="RS256"),
        token(exp=now - 1),
        token(exp=None),
        token(exp=True),
        token(exp="tomorrow"),
        token(exp=float("nan")),
        token(iat=now + 600),
        good + "x",
        "a.b",
        "a.b.c",
        "." * 3,
        "x" * 10_000,
    ]
    for text in bad:
        assert registers(closed_to_strangers, f"Bearer {text}") == (403, "Invalid Bearer token for registration"), text


def test_the_farm_and_the_worker_sign_alike() -> None:
    now = time.time()
    assert registration_token.is_valid(registration_token.made(SHARED, now), SHARED, now + 899)
    assert not registration_token.is_valid(registration_token.made(SHARED, now), SHARED, now + 901)


def test_without_a_registration_secret_any_authorization_is_ignored(site: Site) -> None:
    assert registers(site, "Bearer whatever") == (200, "")


def test_on_a_farm_with_tokens_a_worker_token_lets_in(site: Site, settings: Settings) -> None:
    current.serve(site.farm, replace(settings, auth="token"))
    text = access.make_token(site.farm, "workers", ["worker"])[1]
    submit_only = access.make_token(site.farm, "people", ["submit"])[1]
    assert registers(site, f"Bearer {text}") == (200, "")
    assert registers(site, None) == (403, "Missing Bearer token for registration")
    assert registers(site, f"Bearer {submit_only}") == (403, "Invalid Bearer token for registration")
    current.serve(site.farm, replace(settings, auth="token", flamenco_registration_secret=SHARED))
    assert registers(site, f"Bearer {token()}") == (200, "")
    assert registers(site, f"Bearer {text}") == (200, "")


def test_the_dashboard_of_a_farm_with_tokens_needs_one(site: Site, settings: Settings) -> None:
    site.submit()
    worker = site.worker()
    task = worker.take()
    log_path = f"/logfile/{task['job']}/{task['_id']}"
    current.serve(site.farm, replace(settings, auth="token"))
    reading, steering = (access.make_token(site.farm, "p", [scope])[1] for scope in ("submit", "operate"))
    for path in (log_path, "/as-json", "/latest-image", "/latest-image.jpg", "/imagewatch"):
        assert refused(site.get(path))
    assert site.get(log_path, headers={"Authorization": f"Bearer {reading}"}).status_code == 200
    assert site.get(log_path, auth=("me", reading)).status_code == 200
    action = f"/worker-action/{worker.id}"
    assert refused(site.post(action, data={"action": "shutdown"}))
    assert site.post(action, data={"action": "shutdown"}, auth=("me", reading)).status_code == 403
    assert site.post(action, data={"action": "shutdown"}, auth=("me", steering)).status_code == 204
    assert worker.may_run(task)["status_requested"] == "shutdown"


def test_the_secret_comes_from_the_environment_without_white_space_around_it() -> None:
    name = "MILLRACE_FLAMENCO_REGISTRATION_SECRET"
    assert settings_from({name: f" {SHARED}\n"}).flamenco_registration_secret == SHARED
    assert settings_from({name: " "}).flamenco_registration_secret is None
    assert SHARED not in repr(settings_from({name: SHARED}))
