"""What a Lambda function does before its first request: CPU to import, modules, and the size of the archive.

CPU instead of time: on a loaded machine it is the same. Each probe is a new Python, and they take turns.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deploy.build import build, compile_all
from tests.bench.figures import Figure, Finding, percentile
from tests.bench.options import Options
from tests.bench.served import ROOT

BARE = (
    "import chalice, boto3; chalice.Chalice('x'); boto3.session.Session().client('dynamodb', region_name='eu-west-1')"
)
FARM = (
    "import boto3; from chalicelib import bootstrap; from chalicelib.store import dynamo, s3; from chalicelib.embedded "
    "import bell; boto3.session.Session().client('dynamodb');"
)
"""What `bootstrap.aws_farm` does, without its look at the table."""
HTTP = "import app; " + FARM
CLAIM = """
from chalicelib.dialects.pleiades.native_wire import Contract
from chalicelib.dialects.pleiades import contract_routes, native_contract
from chalicelib.compilers import JOB_TYPES
from chalicelib.edge.fields import parsed
app.app.paths.find("POST", "/worker/1/contract")
report = {"task": "1", "generation": 1, "outcome": "completed"}
parsed(Contract, {"request_id": "r", "slots": 1, "held": [], "reports": [report]})
"""
"""What the first claim imports and makes besides: the one room, its models."""
EVENT = "from chalicelib.handlers import doors; " + FARM
PROBES = {
    "chalice and boto3 with one client": BARE,
    "the HTTP function, until it takes requests": HTTP,
    "the same and all that its first claim imports": HTTP + CLAIM,
    "the same, and a job of frames to claim from": HTTP + CLAIM + "JOB_TYPES['frames']",
    "the stream's function with its handler": EVENT + "from chalicelib.handlers import stream",
    "the schedule's function with its handler": EVENT + "from chalicelib.handlers import schedule",
}
CLAIM_PATH = "the same and all that its first claim imports"
ENDING = """
import sys, time
print(time.process_time(), len(sys.modules), sum(name.startswith("chalicelib") for name in sys.modules))
"""
MOST_RATIO = 1.1


def measure(options: Options) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        yield from _probes(_as_built(Path(name)), 3 if options.quick else 9)
    if not options.quick:
        yield from _archive()


def _as_built(folder: Path) -> Path:
    """The app as the archive has it: with the list of the rooms' paths, and with byte code."""
    shutil.copy2(ROOT / "app.py", folder)
    shutil.copytree(ROOT / "chalicelib", folder / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "chalicelib.rooms"], cwd=folder, check=True)
    compile_all(folder)
    return folder


def _probes(folder: Path, rounds: int) -> Iterator[Finding]:
    seconds: dict[str, list[float]] = {name: [] for name in PROBES}
    modules: dict[str, tuple[int, int]] = {}
    for _ in range(rounds):
        for name, code in PROBES.items():
            spent, everything, ours = _run(code, folder)
            seconds[name].append(spent)
            modules[name] = everything, ours
    bare = percentile(seconds["chalice and boto3 with one client"], 0.5)
    for name, spent_all in seconds.items():
        median = percentile(spent_all, 0.5)
        note = f"{modules[name][0]} modules, {modules[name][1]} of them ours"
        yield Figure(f"init CPU: {name}", median * 1000, "ms", note=note)
    until_ready = percentile(seconds["the HTTP function, until it takes requests"], 0.5)
    yield Figure("init of the HTTP function to chalice and boto3 alone", until_ready / bare, "x", MOST_RATIO)
    claim = percentile(seconds[CLAIM_PATH], 0.5)
    yield Figure("the same with all that its first claim imports", claim / bare, "x", MOST_RATIO)


def _run(code: str, folder: Path) -> tuple[float, int, int]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("MILLRACE_", "AWS_"))},
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "MILLRACE_TABLE": "bench",
        "MILLRACE_BUCKET": "bench",
    }
    command = [sys.executable, "-c", code + ENDING]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    spent, everything, ours = done.stdout.split()
    return float(spent), int(everything), int(ours)


def _archive() -> Iterator[Finding]:
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        built = build(Path(folder), "arm64")
        yield Figure("archive for Lambda", built.archive.stat().st_size / 1e6, "MB", 15.0)
