"""A second machine with nothing but Python: one pasted line, and it works for the farm. Everything is real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace import Farm
from tests.together.conftest import Found
from tests.together.ensemble import Program
from tests.together.ways import NAME, Proxy, TlsFront, authority
from tests.worker.processes import until

INSTALL_SECONDS = 150.0
LINE = "import urllib.request as u; exec(u.urlopen('{url}/install/install.py').read())"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skipped, loudly, where no package index can be reached."""
    wanted = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "idna==3.20"]
    done = subprocess.run(wanted, cwd=tmp_path_factory.mktemp("index"), capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        pytest.skip(f"no package index within reach: {done.stderr.strip()[-100:]}")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Program]:
    """Its environment holds nothing of this checkout, nor of this test's virtual environment."""
    home = tmp_path / "home"
    home.mkdir()
    left_out = ("MILLRACE", "PYTHON", "VIRTUAL_ENV", "XDG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    one = Program("machine", tmp_path, {**kept, "HOME": str(home)})
    yield one
    one.kill()
    print(one.output)


@pytest.mark.timeout(400)
def test_one_pasted_line_makes_a_worker(found: Found, index: None, machine: Program, tmp_path: Path) -> None:
    ensemble = found("--auth", "token")
    farm = Farm(ensemble.server.url, ensemble.server.admin_token, patience_seconds=20.0)
    token = farm.make_join_token().text
    # Not this environment's Python, of which a virtual environment would see this environment's packages.
    plain = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    line = [str(plain), "-c", LINE.format(url=farm.url), "--join", str(token), "--name", "second"]
    machine.begin(line)
    until(lambda: bool(list(farm.workers())) or not machine.runs, "the worker", INSTALL_SECONDS)
    (tmp_path / "code").write_text("echo hello from there")
    job = farm.wait(farm.submit("function", {"runtime": "bash", "code": farm.upload(tmp_path / "code")}), 90)
    assert job.status == "completed", machine.output
    [output] = farm.download(job, tmp_path / "out")
    assert output.read_text() == "hello from there\n"
    # What works there is the wheel that the farm serves, in an environment of its own.
    prefix = tmp_path / "home/.local/share/millrace/worker"
    command = Path(f"/proc/{machine.process.pid}/cmdline").read_text()
    assert command.startswith(f"{prefix}/bin/python\0") and str(token) not in command
    [about] = prefix.glob("lib/python*/site-packages/millrace-*.dist-info")
    came = json.loads((about / "direct_url.json").read_text())["archive_info"]["hashes"]["sha256"]
    with urllib.request.urlopen(f"{farm.url}/install/requirements.txt", timeout=20) as answer:
        assert f"--hash=sha256:{came}".encode() in answer.read()
    assert machine.terminate() == 0


@pytest.mark.full
@pytest.mark.needs("curl")
@pytest.mark.timeout(400)
def test_the_same_through_a_proxy_and_under_an_authority_of_ones_own(
    found: Found, index: None, machine: Program, tmp_path: Path
) -> None:
    """The proxy is the only way to the farm, whose name it alone knows, and pip's way to the index too."""
    ensemble = found("--auth", "token")
    farm = Farm(ensemble.server.url, ensemble.server.admin_token, patience_seconds=20.0)
    ca, certificate = authority(tmp_path)
    front = TlsFront(int(farm.url.rpartition(":")[2]), certificate)
    proxy = Proxy({NAME: front.port})
    machine.environment["HTTPS_PROXY"] = proxy.url
    plain = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    url, token = f"https://{NAME}/install/install.py", farm.make_join_token().text
    line = f"curl --cacert {ca} -fsSL {url} | {plain} - --ca-file {ca} --join {token} --name second"
    machine.begin(["sh", "-c", line])
    until(lambda: bool(list(farm.workers())) or not machine.runs, "the worker", INSTALL_SECONDS)
    (tmp_path / "code").write_text("echo hello from there")
    job = farm.wait(farm.submit("function", {"runtime": "bash", "code": farm.upload(tmp_path / "code")}), 90)
    assert job.status == "completed", machine.output
    assert f"CONNECT {NAME}:443" in proxy.asked
    front.close()
    proxy.close()
