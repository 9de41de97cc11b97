"""ministack: AWS in one process, for what moto cannot show (races, signatures, deployments). Only with `--full`.

Its virtual environment is made from tests/rehearsal/requirements.txt inside this one's, once.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config

from tests.worker.processes import until

REQUIREMENTS = Path(__file__).resolve().parents[1] / "rehearsal" / "requirements.txt"
VENV = Path(sys.prefix) / "ministack"
INSTALL_SECONDS, START_SECONDS = 300, 60
REGION = "eu-central-1"


@dataclass(frozen=True)
class Ministack:
    url: str
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes boto3 and our command line go there. The account is 000000000000."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service: str, **config: Any) -> Any:
        settings = Config(max_pool_connections=32, **config)
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, config=settings, **keys)  # type: ignore[call-overload]


@pytest.fixture(scope="session")
def ministack(free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    set_up()
    folder = tmp_path_factory.mktemp("ministack")
    port = free_port()
    kept_out = ("PYTHON", "MILLRACE_", "AWS_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(kept_out)}
    environment |= {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "PERSIST_STATE": "0", "S3_PERSIST": "0"}
    environment |= {"STATE_DIR": str(folder / "state"), "S3_DATA_DIR": str(folder / "s3"), "NO_PROXY": "127.0.0.1"}
    one = Ministack(f"http://127.0.0.1:{port}", folder / "ministack.log")
    with one.log.open("wb") as log:
        command = [str(VENV / "bin" / "ministack")]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        until(lambda: answers(one, process), "an answer of ministack", START_SECONDS)
        yield one
    finally:
        process.terminate()  # it ends its functions then
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(one: Ministack, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, one.log.read_text()
    try:
        return requests.get(one.url, timeout=5).status_code < 500
    except (requests.ConnectionError, requests.Timeout):
        return False


def set_up() -> None:
    """Install unless it is there. Test processes wait for each other; skipped, loudly, where PyPI is out of reach."""
    stamp = VENV / "requirements.txt"
    wanted = REQUIREMENTS.read_text()
    with (Path(sys.prefix) / "ministack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True, capture_output=True)
        pip = [
            str(VENV / "bin" / "pip"),
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "-r",
            str(REQUIREMENTS),
        ]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        if "NewConnectionError" in done.stderr or "NameResolutionError" in done.stderr:
            pytest.skip("missing system program: PyPI, or its mirror,")
        assert done.returncode == 0, done.stdout + done.stderr
        stamp.write_text(wanted)
