"""A job's outputs into a folder, or into a zip file. Called by `Farm.download` and `Farm.download_zip`.

Two tasks may have given the same name to different files; then the later one gets its task's id into its name, so that
neither is lost. What is in the folder already, whole, is not fetched again: a job that still runs can be fetched from
time to time.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from millrace.sdk import transfers
from millrace.sdk.calls import Calls
from millrace.sdk.sending import CHUNK, OnBytes
from millrace.sdk.values import JobOutput


def to_folder(
    calls: Calls, outputs: Iterable[JobOutput], folder: Path, on_bytes: OnBytes | None = None
) -> Iterator[Path]:
    """The path of each file once it is there, in the order of the outputs."""
    for name, output in _named(outputs):
        target = transfers.path_within(folder, name)
        if not (target.is_file() and transfers.digest_of(target) == (output.size, output.sha256)):
            transfers.download(calls, output, target, on_bytes)
        yield target


def to_zip(calls: Calls, outputs: Iterable[JobOutput], archive: IO[bytes]) -> Iterator[str]:
    """Write a zip file as the outputs come, with one of them at a time on this machine's disk; the name of each.

    Nothing is compressed: pictures and videos are already. `archive` need not be seekable.
    """
    with (
        zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file,
        tempfile.TemporaryDirectory(prefix="millrace-") as folder,
    ):
        for name, output in _named(outputs):
            transfers.path_within(Path(folder), name)  # who unpacks it must be as safe
            part = transfers.download(calls, output, Path(folder, "part"))
            with part.open("rb") as source, file.open(name, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, CHUNK)
            part.unlink()
            yield name


def _named(outputs: Iterable[JobOutput]) -> Iterator[tuple[str, JobOutput]]:
    """Each output under a name of its own; the same file under the same name comes once."""
    seen: dict[str, str] = {}
    for output in outputs:
        name = output.name
        if seen.get(name, output.sha256) != output.sha256:
            path = PurePosixPath(name)
            name = path.with_name(f"{path.stem}.{output.task}{path.suffix}").as_posix()
        elif name in seen:
            continue
        seen[name] = output.sha256
        yield name, output


ASKED_AT_ONCE = 1_000


def lost_tasks(calls: Calls, outputs: Iterable[JobOutput]) -> list[str]:
    """The tasks of those outputs whose content the farm lacks, each once, in their order."""
    lost: dict[str, None] = {}
    rest = iter(outputs)
    while some := list(itertools.islice(rest, ASKED_AT_ONCE)):
        contents = [{"size": one.size, "sha256": one.sha256} for one in some]
        answer = calls.json("POST", "/blobs/missing", repeatable=True, json={"contents": contents})
        missing = {one["sha256"] for one in answer["missing"]}
        lost |= dict.fromkeys(one.task for one in some if one.sha256 in missing)
    return list(lost)
