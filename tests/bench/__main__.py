"""`./millrace bench [NAME...] [--only NAME] [--quick]`: measure, print each figure, at the end every target beside what
was measured with the reason of each miss, and keep the figures for docs/performance.md.

Ends with 0 whatever the times are; with 1 only if something could not be measured at all. `--quick` looks at
everything in a few minutes and keeps nothing, unless `--out` says where.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sqlite3
import subprocess
import sys
import time
import traceback
from importlib.metadata import version
from pathlib import Path

from tests.bench import report
from tests.bench.figures import Figure, Findings
from tests.bench.options import Options
from tests.bench.served import ROOT

BENCHES = (
    "cycles",
    "flat",
    "submitting",
    "waiting",
    "between_tasks",
    "transfers",
    "cold_start",
    "requests",
    "protocols",
    "simulate",
    "queues",
    "s3_clients",
    "encoding",
)


def main(arguments: list[str] | None = None) -> int:
    wanted = _options(arguments)
    options = Options(quick=wanted.quick)
    folder = wanted.out or (None if wanted.quick else ROOT / "docs")
    found, failed = [], []
    for bench in wanted.names or BENCHES:
        findings = Findings(bench, _run_of(options))
        print(f"{bench.replace('_', ' ')}: {importlib.import_module(f'tests.bench.{bench}').__doc__.splitlines()[0]}")
        try:
            _measure(findings, options)
        except Exception:
            traceback.print_exc()
            failed.append(bench)
            continue
        found.append(findings)
        if folder is not None:
            report.keep(folder, [findings])
    _sum_up(found, failed)
    return 1 if failed else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="millrace bench", description="Measure the farm on this machine.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(BENCHES)}; default: all")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="the same, repeatable")
    parser.add_argument("--quick", action="store_true", help="small sizes and short runs; keeps nothing")
    parser.add_argument("--out", type=Path, help="folder for the figures; default: docs, and with --quick none")
    wanted = parser.parse_args(arguments)
    wanted.names += wanted.only
    unknown = [name for name in wanted.names if name not in BENCHES]
    if unknown:
        parser.error(f"there is no bench {unknown[0]!r}; there are {', '.join(BENCHES)}")
    return wanted


def _measure(findings: Findings, options: Options) -> None:
    module = importlib.import_module(f"tests.bench.{findings.bench}")
    begun_at = time.monotonic()
    for finding in findings.take(module.measure(options)):
        if isinstance(finding, Figure):
            print(report.line(finding), flush=True)
    print(f"  ({time.monotonic() - begun_at:.0f} s)", flush=True)


def _sum_up(found: list[Findings], failed: list[str]) -> None:
    figures = [figure for findings in found for figure in findings.figures if figure.is_met is not None]
    missed = [figure for figure in figures if not figure.is_met]
    print(f"{len(figures)} targets: {len(figures) - len(missed)} met, {len(missed)} missed")
    for text in report.every_target(found):
        print(text)
    if failed:
        print(f"not measured: {', '.join(failed)}")


def _run_of(options: Options) -> dict[str, str]:
    """Where and when, and with what: a figure without these says nothing."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": _commit(),
        "machine": f"{os.cpu_count()} cores, {_processor()}, {platform.system()} {platform.release()}",
        "load": f"{os.getloadavg()[0]:.1f} at the start",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "chalice": version("chalice"),
        **({"size": "quick"} if options.quick else {}),
    }


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
