"""A farm that is reached through a proxy alone, by a name that only it knows, and under an authority of one's own:
worker, command line and library do all that they do elsewhere, and nothing of it goes around the proxy."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from millrace import Farm
from tests.together.conftest import Found
from tests.together.ensemble import Ensemble
from tests.together.ways import NAME, Proxy, TlsFront, authority
from tests.worker.processes import until

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
LARGE = 3_000_000


@dataclass
class Studio:
    ensemble: Ensemble
    proxy: Proxy
    authority: Path
    url: str
    variables: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        ends = (*PROXY_VARIABLES, "CA_BUNDLE", "CERT_FILE")
        left_out = {name for name in os.environ if name.upper().endswith(ends)}
        return {**{k: v for k, v in self.ensemble.environment.items() if k not in left_out}, **self.variables}

    def cli(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "millrace.cli", *arguments]
        environment = {**self.environment, **changes}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110)


@pytest.fixture(params=["http", "https"])
def studio(request: pytest.FixtureRequest, found: Found, tmp_path: Path) -> Iterator[Studio]:
    ensemble = found("--auth", "token")
    port = int(ensemble.server.url.rpartition(":")[2])
    ca, certificate = authority(tmp_path)
    front = TlsFront(port, certificate)
    login = base64.b64encode(b"artist:s@cret/1").decode()
    proxy = Proxy({NAME: front.port if request.param == "https" else port}, login)
    through = proxy.url.replace("//", "//artist:s%40cret%2F1@")
    token = ensemble.server.admin_token
    variables = {f"{request.param.upper()}_PROXY": through, "NO_PROXY": "elsewhere.test", "MILLRACE_TOKEN": token}
    url = f"{request.param}://{NAME}"
    one = Studio(ensemble, proxy, ca, url, variables)
    if request.param == "https":
        variables["MILLRACE_CA_FILE"] = str(ca)
    yield one
    front.close()
    proxy.close()


def test_everything_goes_through_the_proxy_and_trusts_the_studios_authority(studio: Studio, tmp_path: Path) -> None:
    studio.ensemble.environment = {**studio.environment, "MILLRACE_TOKEN": ""}
    made = studio.cli("--farm", studio.url, "token", "--join")
    assert made.returncode == 0, made.stderr
    worker = studio.ensemble.worker("one", "--join", made.stdout.strip(), url=studio.url)
    # The input is sent through an address that the farm signs, and so is what the task made of it.
    (tmp_path / "input").write_bytes(os.urandom(LARGE))
    (tmp_path / "twice.py").write_text("import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d + d)")
    submitted = studio.cli(
        "--farm", studio.url, "submit", "function", "--set", "runtime=python3", "--set", f"code=@{tmp_path}/twice.py",
        "--set", f"input=@{tmp_path}/input", "--to", str(tmp_path / "out"),
    )  # fmt: skip
    assert submitted.returncode == 0, submitted.stderr + worker.output
    [output] = (tmp_path / "out").iterdir()
    assert output.read_bytes() == (tmp_path / "input").read_bytes() * 2
    folder = studio.cli(
        "--farm", studio.url, "submit", "frames", "--frames", "1-2", "--input-folder", str(tmp_path / "out"), "--to",
        str(tmp_path / "frames"), "--", "sh", "-c", "ls > {output}/f{frame}",
    )  # fmt: skip
    assert folder.returncode == 0, folder.stderr + worker.output
    if studio.url.startswith("https"):
        assert {asked for asked in studio.proxy.asked} == {f"CONNECT {NAME}:443"}
    else:
        calls = [asked.partition(NAME)[2] for asked in studio.proxy.asked]
        for part in ("/api/v1/join", "/worker", "/contract", "/renew", "/objects", "/api/v1/jobs"):
            assert any(part in call for call in calls) or part == "/renew", f"{part} went another way"
    assert worker.terminate() == 0


def test_without_the_authority_nothing_is_told_and_the_reason_is_named(studio: Studio) -> None:
    if not studio.url.startswith("https"):
        pytest.skip("there is no certificate without TLS")
    refused = studio.cli("--farm", studio.url, "jobs", MILLRACE_CA_FILE="")
    assert refused.returncode == 3 and "--ca-file" in refused.stderr
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        believed = studio.cli("--farm", studio.url, "jobs", MILLRACE_CA_FILE="", **{name: str(studio.authority)})
        assert believed.returncode == 0, (name, believed.stderr)
    # The option adds to what a variable names: here to a bundle that does not know the studio.
    import certifi

    both = studio.cli(
        "--ca-file", str(studio.authority), "--farm", studio.url, "jobs", REQUESTS_CA_BUNDLE=certifi.where()
    )
    assert both.returncode == 0, both.stderr
    studio.ensemble.environment = {**studio.environment, "MILLRACE_CA_FILE": ""}
    worker = studio.ensemble.worker("two", url=studio.url)
    until(lambda: "--ca-file" in worker.output or not worker.runs, "the worker to say why", 40)
    assert worker.runs


def test_a_proxy_that_refuses_is_named(studio: Studio) -> None:
    wrong = {name: studio.proxy.url for name in studio.variables if name.endswith("S_PROXY") or name == "HTTP_PROXY"}
    studio.ensemble.environment = {**studio.environment, **wrong}
    worker = studio.ensemble.worker("three", url=studio.url)
    until(lambda: "does not answer" in worker.output or not worker.runs, "the worker to say why", 40)
    assert worker.runs


def test_our_own_loopback_needs_no_proxy(studio: Studio) -> None:
    """Desktops seldom list it in NO_PROXY."""
    direct = studio.ensemble.server.url
    assert studio.cli("--farm", direct, "jobs", HTTP_PROXY=studio.proxy.url).returncode == 0
    studio.ensemble.environment = {**studio.environment, "HTTP_PROXY": studio.proxy.url}
    before = len(studio.proxy.asked)
    studio.ensemble.worker("four", url=direct)
    farm = Farm(direct, studio.variables["MILLRACE_TOKEN"], patience_seconds=20.0)
    until(lambda: [one.name for one in farm.workers()] == ["four"], "the worker", 40)
    assert len(studio.proxy.asked) == before


@pytest.mark.parametrize("how", ["--ca-file", "MILLRACE_CA_FILE", "SSL_CERT_FILE"])
def test_a_file_that_holds_no_certificates_is_refused_by_name(tmp_path: Path, how: str) -> None:
    (tmp_path / "no.pem").write_text("nothing")
    option = ["--ca-file", str(tmp_path / "no.pem")] if how == "--ca-file" else []
    others = {name: value for name, value in os.environ.items() if not name.endswith(("CA_BUNDLE", "CERT_FILE"))}
    environment = {**others, "PYTHONPATH": "worker", **({} if option else {how: str(tmp_path / "no.pem")})}
    command = [sys.executable, "-m", "millrace.cli", *option, "worker", "--state", str(tmp_path / "state")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "no.pem" in done.stderr, json.dumps([done.returncode, done.stderr])
