"""`worker/` of a checkout -> a wheel, as the format says (packaging.python.org, "Binary distribution format"). Pure.

A manager has no build tools and need not have any: the worker is Python alone, so its wheel is a zip file of modules
and four texts made of `pyproject.toml`. The same files give the same bytes, hence the same SHA-256 on every server.
"""

from __future__ import annotations

import base64
import csv
import functools
import hashlib
import io
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip file can say."""


@dataclass(frozen=True)
class Wheel:
    name: str
    """Of the file: `millrace-0.1.0-py3-none-any.whl`."""
    data: bytes

    @property
    def version(self) -> str:
        return self.name.split("-")[1]

    @functools.cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def packed(folder: Path) -> Wheel:
    """The wheel of the distribution whose `pyproject.toml` is in this folder. Raises OSError, KeyError, ValueError."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    release = f"{project['name']}-{project['version']}"
    files = dict(_modules(folder, project["name"]))
    about = f"{release}.dist-info"
    files[f"{about}/METADATA"] = _metadata(project, folder).encode()
    files[f"{about}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: millrace\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{about}/entry_points.txt"] = _entry_points(project["scripts"]).encode()
    files[f"{about}/RECORD"] = _record(files, f"{about}/RECORD").encode()
    return Wheel(f"{release}-py3-none-any.whl", zipped(files))


def _modules(folder: Path, package: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted((folder / package).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _metadata(project: Mapping[str, Any], folder: Path) -> str:
    lines = ["Metadata-Version: 2.3", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Summary: {project['description']}", f"License: {project['license']['text']}"]
    lines += [f"Requires-Python: {project['requires-python']}"]
    lines += [f"Requires-Dist: {need}" for need in project["dependencies"]]
    for extra, needs in project.get("optional-dependencies", {}).items():
        lines += [f"Provides-Extra: {extra}", *(f"Requires-Dist: {need}; extra == '{extra}'" for need in needs)]
    text = (folder / project["readme"]).read_text()
    return "\n".join([*lines, "Description-Content-Type: text/markdown", "", text])


def _entry_points(scripts: Mapping[str, str]) -> str:
    return "[console_scripts]\n" + "".join(f"{name} = {target}\n" for name, target in scripts.items())


def _record(files: Mapping[str, bytes], itself: str) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.writerow([name, f"sha256={digest}", len(data)])
    rows.writerow([itself, "", ""])
    return text.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """In this order and without times: the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, FIRST_DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, or the permissions mean nothing
            entry.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
            archive.writestr(entry, data)
    return buffer.getvalue()
