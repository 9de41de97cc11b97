"""What a browser may do to a farm on behalf of a page: nothing that the farm's own page does not do."""

from __future__ import annotations

import pytest

from chalicelib.edge.guard import make_guard

OPEN = make_guard("open")
OPEN_ON_THE_NETWORK = make_guard("open", allow_ip_hosts=True)
TOKENS = make_guard("token")


def status(guard: object, method: str = "GET", path: str = "/", **headers: str) -> int | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    refused = guard(method, path, named, "127.0.0.1")  # type: ignore[operator]
    return None if refused is None else refused[0]


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8000", "127.8.9.10:80", "[::1]:8000"]
)
def test_an_open_farm_answers_to_loopback_names(host: str) -> None:
    assert status(OPEN, host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "192.168.1.5:8000",
        "10.0.0.1",
        "[2001:db8::1]",
        "0.0.0.0:8000",
        "::1",
        "[127.0.0.1]",
        "127.0.0.1:",
        "127.0.0.1:99999999",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "localhost:80, evil.example",
        "[::1%25eth0]",
        "lo calhost",
    ],
)
def test_an_open_farm_answers_to_no_other_name(host: str) -> None:
    assert status(OPEN, host=host) == 403


def test_who_names_no_host_is_told_to() -> None:
    assert status(OPEN) == 400
    assert status(OPEN, host="") == 400


@pytest.mark.parametrize("host", ["192.168.1.5:8000", "10.0.0.1", "[2001:db8::1]:8000", "127.0.0.1", "localhost:8000"])
def test_a_farm_opened_on_purpose_answers_to_addresses(host: str) -> None:
    assert status(OPEN_ON_THE_NETWORK, host=host) is None


def test_a_farm_opened_on_purpose_still_answers_to_no_foreign_name() -> None:
    assert status(OPEN_ON_THE_NETWORK, host="rebound.example:8000") == 403


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:3000",
        "https://localhost:8000",
        "http://127.0.0.1:8000",
        "null",
        "",
        "file://",
    ],
)
def test_a_foreign_page_may_not_call_an_open_farm(method: str, origin: str) -> None:
    assert status(OPEN, method, host="localhost:8000", origin=origin) == 403


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_our_own_page_may(method: str) -> None:
    own = {"host": "localhost:8000", "origin": "http://localhost:8000"}
    assert status(OPEN, method, **own) is None
    assert status(OPEN, method, **own, sec_fetch_site="same-origin") is None


@pytest.mark.parametrize(("site", "refused"), [("cross-site", 403), ("same-site", 403), ("odd", 403)])
def test_what_the_browser_says_is_believed(site: str, refused: int) -> None:
    assert status(OPEN, host="localhost:8000", sec_fetch_site=site) == refused


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_an_address_typed_by_a_person_is_fine(site: str) -> None:
    assert status(OPEN, host="localhost:8000", sec_fetch_site=site) is None


def test_programs_send_none_of_this() -> None:
    assert status(OPEN, "POST", host="127.0.0.1:8000") is None
    assert status(TOKENS, "POST", host="farm.example") is None
    assert status(TOKENS, "POST") is None


def test_a_farm_with_tokens_has_any_name() -> None:
    assert status(TOKENS, host="farm.example") is None
    assert status(TOKENS, host="farm.example", origin="https://evil.example", sec_fetch_site="cross-site") is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_foreign_page_changes_nothing_on_a_farm_with_tokens(method: str) -> None:
    assert status(TOKENS, method, host="farm.example", sec_fetch_site="cross-site") == 403
    assert status(TOKENS, method, host="farm.example", sec_fetch_site="same-site") == 403
    assert status(TOKENS, method, host="farm.example", origin="https://evil.example") == 403
    assert status(TOKENS, method, host="farm.example", origin="null") == 403


def test_a_proxy_may_change_host_and_scheme_of_a_farm_with_tokens() -> None:
    assert status(TOKENS, "POST", host="farm.example", origin="https://farm.example") is None
    behind = {"host": "internal:8000", "origin": "https://farm.example"}
    assert status(TOKENS, "POST", **behind, sec_fetch_site="same-origin") is None


def test_the_refusal_speaks_the_language_of_the_room() -> None:
    refused = OPEN("GET", "/api/v1/jobs", {"host": "evil.example"}, "")
    assert refused is not None and refused[1]["title"] == "Forbidden"
    refused = OPEN("GET", "/worker/1", {"host": "evil.example"}, "")
    assert refused is not None and (refused[1]["code"], refused[1]["status"]) == (403, "error")
