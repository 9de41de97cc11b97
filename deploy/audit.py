"""`./millrace audit`: known weaknesses of what goes to Lambda and to workers, as PyPI and OSV list them.

pip-audit asks; it is installed on first use into an environment of its own (`.venv-audit`), since nothing else needs
what it brings along. It says "no known vulnerabilities" also where the list had never heard of a package (a mirror of
PyPI that keeps none answers 404 for all of them), so here a package counts as looked up only if its list was seen.

Exits with 0: all were looked up, nothing is known. 1: something is known, and told. 2: wrong use. 3: some, or all,
could not be looked up, and nothing is known of the others.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "worker/requirements.lock")
PIP_AUDIT = "pip-audit==2.10.1"  # known weaknesses by package and version; Apache-2.0
OSV = "https://api.osv.dev/v1/query"
CLEAN, KNOWN, NOT_LOOKED_UP = 0, 1, 3
ASK_SECONDS = 600


class NotLookedUp(Exception):
    """Why a list could not be asked."""


@dataclass(frozen=True)
class Found:
    known: tuple[str, ...]
    """One line for each weakness."""
    not_looked_up: tuple[str, ...]
    """Names of packages."""


def read(report: str) -> Found:
    """pip-audit's JSON. Raises NotLookedUp if it is none."""
    try:
        packages: Sequence[Mapping[str, Any]] = json.loads(report)["dependencies"]
        known = [_line(one, weakness) for one in packages for weakness in one.get("vulns", ())]
        return Found(tuple(known), tuple(one["name"] for one in packages if "vulns" not in one))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotLookedUp(f"no report of pip-audit: {report[:200]!r}") from None


def _line(package: Mapping[str, Any], weakness: Mapping[str, Any]) -> str:
    fixed = ", ".join(weakness.get("fix_versions") or ()) or "no version"
    return f"{package['name']} {package['version']}: {weakness['id']}, fixed in {fixed}"


def looked_up(program: Path, lock: Path, osv_url: str) -> Found:
    """First at PyPI, then at OSV if PyPI left something out. What one of them knows counts, whatever the other says."""
    known: list[str] = []
    reason = ""
    left: tuple[str, ...] | None = None
    for service in ("pypi", "osv"):
        try:
            found = read(_asked(program, lock, service, osv_url))
        except NotLookedUp as error:
            reason = str(error)
            print(f"{lock.name}: {reason}", file=sys.stderr)
            continue
        known += [line for line in found.known if line not in known]
        left = found.not_looked_up if left is None else tuple(one for one in left if one in found.not_looked_up)
        if not left:
            break
    if left is None:
        raise NotLookedUp(reason)
    return Found(tuple(known), left)


def _asked(program: Path, lock: Path, service: str, osv_url: str) -> str:
    command = [
        *(str(program), "--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"),
        *("--vulnerability-service", service, "--osv-url", osv_url, "--requirement", str(lock)),
    ]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ASK_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotLookedUp(f"{service}: {error}") from None
    if done.returncode not in (0, 1) or not done.stdout.strip():
        last = next(reversed(done.stderr.strip().splitlines()), f"pip-audit exited with {done.returncode}")
        raise NotLookedUp(f"{service}: {last}")
    return done.stdout


def installed(folder: Path) -> Path:
    """pip-audit's program in that environment, which is made if need be. Raises NotLookedUp with what pip said."""
    bin_folder = folder / ("Scripts" if os.name == "nt" else "bin")
    stamp = folder / "millrace.stamp"
    pip = [str(bin_folder / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PIP_AUDIT]
    try:
        if not stamp.exists() or stamp.read_text() != PIP_AUDIT:
            venv.create(folder, with_pip=True, clear=True)
            subprocess.run(pip, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
            stamp.write_text(PIP_AUDIT)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or getattr(error, "stdout", None) or b""
        said = said.decode(errors="replace") if isinstance(said, bytes) else said
        raise NotLookedUp(f"pip-audit could not be installed: {error}\n{said[-1000:]}") from None
    return bin_folder / "pip-audit"


def main(arguments: Sequence[str] | None = None) -> int:
    about = "Known weaknesses of the packages that go to Lambda and to workers. Exits with 3 if no list could be asked."
    parser = argparse.ArgumentParser(prog="./millrace audit", description=about)
    parser.add_argument("--osv-url", default=OSV, metavar="URL", help="a mirror of OSV (default: %(default)s)")
    wanted = parser.parse_args(arguments)
    try:
        program = installed(ROOT / ".venv-audit")
    except NotLookedUp as error:
        print(f"NOT LOOKED UP: {error}", file=sys.stderr)
        return NOT_LOOKED_UP
    codes = {_of_lock(program, name, wanted.osv_url) for name in LOCKS}
    return KNOWN if KNOWN in codes else max(codes)


def _of_lock(program: Path, name: str, osv_url: str) -> int:
    try:
        return _told(name, looked_up(program, ROOT / name, osv_url))
    except NotLookedUp as error:
        print(f"{name}: NOT LOOKED UP: {error}", file=sys.stderr)
        return NOT_LOOKED_UP


def _told(name: str, found: Found) -> int:
    for line in found.known:
        print(f"{name}: {line}")
    if found.not_looked_up:
        print(
            f"{name}: NOT LOOKED UP, in no list that could be asked: {', '.join(found.not_looked_up)}", file=sys.stderr
        )
    if found.known:
        return KNOWN
    if found.not_looked_up:
        return NOT_LOOKED_UP
    print(f"{name}: nothing known")
    return CLEAN


if __name__ == "__main__":
    sys.exit(main())
