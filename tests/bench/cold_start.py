"""What a Lambda function does before its first request: CPU to import, modules, and the size of the archive.

CPU instead of time: on a loaded machine it is the same. Each probe is a new Python, and they take turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, Finding, percentile
from tests.bench.options import Options
from tests.bench.served import ROOT

CLIENT = "boto3.session.Session().client('dynamodb', region_name='eu-west-1')"
FARM = (
    "import boto3; from chalicelib import bootstrap; from chalicelib.store import dynamo, s3; from chalicelib.embedded "
    "import bell; session = boto3.session.Session(); session.client('dynamodb'); session.client('s3')"
)
"""What `bootstrap.aws_farm` does, without its look at the table."""
BARE = f"import chalice, boto3; chalice.Chalice('x'); {CLIENT}"
PROBES = {
    "chalice and boto3 with one client": BARE,
    "the claim path (HTTP)": "import app; " + FARM,
    "events (stream, queue, schedule)": "from chalicelib.handlers import doors; " + FARM,
}
ENDING = """
import sys, time
print(time.process_time(), len(sys.modules), sum(name.startswith("chalicelib") for name in sys.modules))
"""
MOST_RATIO = 1.1


def measure(options: Options) -> Iterator[Finding]:
    rounds = 3 if options.quick else 9
    seconds: dict[str, list[float]] = {name: [] for name in PROBES}
    modules: dict[str, tuple[int, int]] = {}
    for _ in range(rounds):
        for name, code in PROBES.items():
            spent, everything, ours = _run(code)
            seconds[name].append(spent)
            modules[name] = everything, ours
    bare = percentile(seconds["chalice and boto3 with one client"], 0.5)
    for name, spent_all in seconds.items():
        median = percentile(spent_all, 0.5)
        note = f"{modules[name][0]} modules, {modules[name][1]} of them ours"
        yield Figure(f"init CPU: {name}", median * 1000, "ms", note=note)
    claim = percentile(seconds["the claim path (HTTP)"], 0.5)
    yield Figure("init of the claim path to chalice and boto3 alone", claim / bare, "x", MOST_RATIO)
    if not options.quick:
        yield from _archive()


def _run(code: str) -> tuple[float, int, int]:
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
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    spent, everything, ours = done.stdout.split()
    return float(spent), int(everything), int(ours)


def _archive() -> Iterator[Finding]:
    from deploy.build import build

    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        built = build(Path(folder), "arm64")
        yield Figure("archive for Lambda", built.archive.stat().st_size / 1e6, "MB", 15.0)
