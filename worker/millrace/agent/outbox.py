"""Reports the farm has not yet answered, kept on disk in the order they were made.

An attempt's thread puts a report in; the contract loop sends the oldest ones and removes each only when the farm has
answered for it, accepted or not. One file per report, written whole or not at all, so a crash at any instant keeps
every report that `put` returned for, and the next start finds them here. But for those made while the disk is full:
they are sent all the same, from memory, since an attempt that is never reported would be given away again and again.
A crash before the farm has answered loses such a report, and the attempt is given back as if it still ran.
"""

from __future__ import annotations

import threading
from pathlib import Path

from millrace.agent.durable import read_json, write_json_durably
from millrace.agent.observe import WARNING, say
from millrace.agent.protocol import JsonObject, LeaseId, Output, Report


class Outbox:
    """The reports in `folder`, oldest first. Safe to call from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._entries: dict[LeaseId, tuple[Path, Report]] = {}
        self._next = 0
        for path in sorted(folder.glob("*.report")):
            self._load(path)

    def put(self, report: Report) -> None:
        """Keep `report` until it is answered. One already kept for the same attempt is replaced, in its place."""
        with self._lock:
            path = self._entries[report.lease][0] if report.lease in self._entries else self._new_path(report)
            try:
                write_json_durably(path, _to_disk(report))
            except OSError as error:
                text = f"A report is kept in memory only, as the disk does not take it: {error}"
                say("outbox", text, level=WARNING, lease=report.lease)
            self._entries[report.lease] = (path, report)

    def oldest(self, limit: int) -> list[Report]:
        with self._lock:
            return [report for _, report in list(self._entries.values())[:limit]]

    def answered(self, lease: LeaseId) -> None:
        """Forget the report of this attempt: the farm has said yes or no to it."""
        with self._lock:
            entry = self._entries.pop(lease, None)
            if entry:
                entry[0].unlink(missing_ok=True)

    def leases(self) -> list[LeaseId]:
        with self._lock:
            return list(self._entries)

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    def _new_path(self, report: Report) -> Path:
        self._next += 1
        return self._folder / f"{self._next:012d}-{report.lease}.report"

    def _load(self, path: Path) -> None:
        self._next = max(self._next, int(path.name.split("-", 1)[0]))
        report = _from_disk(read_json(path))
        if report is None:
            say("outbox", "A kept report cannot be read and is set aside.", level=WARNING, path=path)
            path.rename(path.with_suffix(".unreadable"))
            return
        self._entries[report.lease] = (path, report)


def _to_disk(report: Report) -> JsonObject:
    outputs = [{**one.to_wire(), "size": one.size, "sha256": one.sha256} for one in report.outputs]
    return {**report.to_wire(), "outputs": outputs}


def _from_disk(kept: JsonObject | None) -> Report | None:
    try:
        assert kept is not None
        return Report(
            lease=LeaseId.from_wire(kept),
            outcome=kept["outcome"],
            exit_code=kept["exit_code"],
            error=kept["error"],
            outputs=tuple(Output(**one) for one in kept["outputs"]),
            result=kept["result"],
        )
    except (AssertionError, KeyError, TypeError, ValueError):
        return None
