"""How this worker was installed: which wheel, and whether its environment is its own to change."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution


def wheel_sha256() -> str | None:
    """Of the wheel that we were installed from; None for a checkout, and for what came from an index."""
    try:
        return _sha256_of(distribution("millrace"))
    except PackageNotFoundError:
        return None


def _sha256_of(found: Distribution) -> str | None:
    """pip has kept it (`direct_url.json`, packaging.python.org: "Recording the Direct URL Origin")."""
    try:
        about = json.loads(found.read_text("direct_url.json") or "")["archive_info"]
        digest = about.get("hashes", {}).get("sha256") or about.get("hash", "").removeprefix("sha256=")
    except (ValueError, KeyError, AttributeError):
        return None
    return digest if isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest) else None


def cannot_upgrade() -> str | None:
    """Why this worker cannot replace itself, or None."""
    if sys.prefix == sys.base_prefix:
        return "it is not in a virtual environment of its own"
    if wheel_sha256() is None:
        return "it was not installed from a wheel of its farm (GET /install)"
    have_pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True)
    return "its environment has no pip" if have_pip.returncode != 0 else None


def missing_pins(lock: str) -> Iterator[str]:
    """Requirements of a lock file that this environment does not have in just this version."""
    for name, version, marker in re.findall(r"^([A-Za-z0-9._-]+)==(\S+?)(?: ; ([^\\\n]+?))? *\\?$", lock, re.M):
        if marker and "win32" in marker and sys.platform != "win32":
            continue
        try:
            if distribution(name).version != version:
                yield f"{name}=={version}"
        except PackageNotFoundError:
            yield f"{name}=={version}"
