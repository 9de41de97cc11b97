"""The list of what a package for Lambda is made of, for tools that look for known weaknesses: CycloneDX 1.6, as JSON.

From `requirements.lock`, to the last package, with the hashes of its files; the build adds chalice's runtime and
the worker's wheel. The same gives the same bytes, so no time and no serial number. The build puts it into the archive;
`python -m deploy.bill [LOCK]` prints that of a lock.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK, LOCAL_LOCK = ROOT / "requirements.lock", ROOT / "requirements-local.lock"
Component = dict[str, Any]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bill(lock: Path = LOCK, more: Sequence[Component] = ()) -> bytes:
    """UTF-8 with a line break at the end. Raises ValueError for a lock that names nothing."""
    components = [*(_component(*found) for found in _pins(lock.read_text())), *more]
    if len(components) == len(more):
        raise ValueError(f"{lock} pins nothing")
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "millrace", "bom-ref": "millrace"}},
        "components": components,
        "dependencies": [{"ref": "millrace", "dependsOn": [one["bom-ref"] for one in components]}],
    }
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def chalices_runtime() -> Component:
    """`chalice package` copies it out of the chalice that runs, which is the local lock's."""
    return next(_component(*found) for found in _pins(LOCAL_LOCK.read_text()) if found[0] == "chalice")


def workers_wheel(path: Path, version: str) -> Component:
    """The one that `GET /install` gives away; no index has it."""
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    hashes = [{"alg": "SHA-256", "content": content}]
    return {"type": "file", "name": path.name, "version": version, "bom-ref": path.name, "hashes": hashes}


def _pins(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Name, version and hashes of each package, by name."""
    found = []
    for entry in re.split(r"(?<!\\)\n", text):
        if pin := _PIN.match(entry):
            found.append((re.sub(r"[-_.]+", "-", pin[1]).lower(), pin[2], sorted(_HASH.findall(entry))))
    return iter(sorted(found))


def _component(name: str, version: str, hashes: list[str]) -> Component:
    purl = f"pkg:pypi/{name}@{version}"
    # A pin has a hash for each of its files, of which one is installed: said as what they are, files of a release.
    url = f"https://pypi.org/project/{name}/{version}/#files"
    contents = [{"alg": "SHA-256", "content": content} for content in hashes]
    files = [{"type": "distribution", "url": url, "hashes": [one]} for one in contents]
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": purl,
        "bom-ref": purl,
        "externalReferences": files,
    }


if __name__ == "__main__":
    sys.stdout.buffer.write(bill(Path(sys.argv[1]) if len(sys.argv) > 1 else LOCK))
