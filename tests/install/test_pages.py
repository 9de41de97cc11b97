"""`GET /install` and its files, over HTTP: for terminals, browsers, pip, and machines that have no token yet."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.bench import Bench, served

FARM = "http://farm.example:8000"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with served(tmp_path) as bench:
        yield bench


def get(bench: Bench, name: str = "", **headers: str) -> str:
    answer = bench.send("GET", "/install" + (f"/{name}" if name else ""), Host="farm.example:8000", **headers)
    assert answer.status == 200, answer.body
    return answer.body.decode()


def test_a_terminal_gets_the_line_of_each_platform_with_this_farms_url(bench: Bench) -> None:
    text = get(bench)
    assert f"    curl -fsSL {FARM}/install/install.py | python3 -\n" in text
    assert f"    irm {FARM}/install/install.py | py -\n" in text
    assert f"    pip install -r {FARM}/install/requirements.txt\n" in text
    assert "TOKEN" not in text


def test_a_closed_farm_says_so_and_asks_for_nothing(bench: Bench) -> None:
    bench.serve(auth="token")
    text = get(bench)
    assert f"curl -fsSL {FARM}/install/install.py | python3 - --join TOKEN\n" in text
    assert "millrace token --join" in text


def test_a_browser_gets_a_page(bench: Bench) -> None:
    html = get(bench, Accept="text/html,application/xhtml+xml")
    assert html.startswith("<!doctype html>") and f"curl -fsSL {FARM}/install/install.py" in html
    answer = bench.send("GET", "/install", Accept="text/html")
    assert answer.kind == "text/html; charset=utf-8" and "script" not in answer.headers["Content-Security-Policy"]


def test_behind_a_proxy_that_speaks_tls_it_is_https(bench: Bench) -> None:
    assert "curl -fsSL https://farm.example:8000/install" in get(bench, X_Forwarded_Proto="https")


@pytest.mark.parametrize("host", ["a b", 'a";import os;"', "a$(id)", "a\\", "a'", "<b>", ""])
@pytest.mark.parametrize("name", ["", "/install.py", "/requirements.txt"])
def test_a_host_that_means_something_to_a_shell_is_refused(bench: Bench, host: str, name: str) -> None:
    assert bench.send("GET", "/install" + name, Host=host).status == 400


def test_the_wheel_is_what_the_requirements_and_the_script_say(bench: Bench) -> None:
    requirements, script = get(bench, "requirements.txt"), get(bench, "install.py")
    found = re.search(
        rf"^millrace @ {FARM}/install/(millrace-[\w.]+-py3-none-any\.whl) --hash=sha256:(\w+)$", requirements, re.M
    )
    assert found is not None
    answer = bench.send("GET", f"/install/{found[1]}")
    assert hashlib.sha256(answer.body).hexdigest() == found[2]
    for value in (FARM, found[1], found[2]):
        assert f'= "{value}"\n' in script
    assert "@FARM@" not in script and ast.parse(script)
    lock = get(bench, "requirements.lock")
    assert requirements.startswith(lock)


def test_everything_in_the_lock_has_a_hash(bench: Bench) -> None:
    pins = re.split(r"^(?=\w)", get(bench, "requirements.lock"), flags=re.M)[1:]
    assert len(pins) > 8
    assert all("--hash=sha256:" in pin for pin in pins)
    assert any(pin.startswith("colorama==") and 'sys_platform == "win32"' in pin for pin in pins)


@pytest.mark.parametrize("name", ["millrace-0.0.0-py3-none-any.whl", "..", "%2e%2e%2fconfig.py", "script.py", "served"])
def test_nothing_else_is_there(bench: Bench, name: str) -> None:
    assert bench.send("GET", f"/install/{name}").status == 404


def test_an_old_python_is_told_so_before_anything_else() -> None:
    """The check stands before what an old one could stumble over when it is run."""
    source = (Path(__file__).resolve().parents[2] / "chalicelib/install/script.py").read_text()
    first, check = ast.parse(source).body[:2]
    assert isinstance(first, ast.Import) and [alias.name for alias in first.names] == ["sys"]
    assert isinstance(check, ast.If) and "version_info" in ast.unparse(check.test)
    ast.parse(source, feature_version=(3, 7))
