"""The list of what a package for Lambda is made of, for tools that look for known weaknesses: CycloneDX 1.6, as JSON.

From `requirements.lock`, to the last package, with the hashes of its files; the same lock gives the same bytes, so no
time and no serial number. `python -m deploy.bill [LOCK]` prints it; the build puts it into the archive.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bill(lock: Path = LOCK) -> bytes:
    """UTF-8 with a line break at the end. Raises ValueError for a lock that names nothing."""
    components = [_component(*found) for found in _pins(lock.read_text())]
    if not components:
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


def _pins(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Name, version and hashes of each package, by name."""
    found = []
    for entry in re.split(r"(?<!\\)\n", text):
        if pin := _PIN.match(entry):
            found.append((re.sub(r"[-_.]+", "-", pin[1]).lower(), pin[2], sorted(_HASH.findall(entry))))
    return iter(sorted(found))


def _component(name: str, version: str, hashes: list[str]) -> dict[str, Any]:
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
