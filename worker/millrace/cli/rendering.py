"""How things look on a terminal, and in a pipe: there without colours, never cut to a width."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from millrace.cli.plain_text import plain, plain_lines
from millrace.sdk.values import Job, Task

COLOURS = {
    "active": "cyan",
    "awake": "green",
    "completed": "green",
    "failed": "red",
    "error": "red",
    "lost": "red",
    "canceled": "yellow",
    "paused": "yellow",
}


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns on stdout, the words of statuses in colour."""
    grid = Table(*headers, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        grid.add_row(*(Text(plain(cell), style=COLOURS.get(cell, "")) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 10_000)
    with console.capture() as capture:
        console.print(grid)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def when(moment: datetime | None) -> str:
    """ "12 s ago", "3 min ago", then the date and time where the reader is."""
    if moment is None:
        return "-"
    seconds = (datetime.now(UTC) - moment).total_seconds()
    if 0 <= seconds < 60:
        return f"{seconds:.0f} s ago"
    if 0 <= seconds < 3600:
        return f"{seconds / 60:.0f} min ago"
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def job_lines(job: Job) -> str:
    counts = ", ".join(f"{number} {status}" for status, number in job.counts.items() if number) or "none yet"
    lines = [
        f"job {job.id}: {plain(job.name)}",
        f"  {job.type}, {job.status}, {job.progress:.0f} %, priority {job.priority}",
        f"  tasks: {counts}",
        f"  created {when(job.created_at)}, started {when(job.started_at)}, finished {when(job.finished_at)}",
    ]
    lines += [f"  error: {plain(job.error)}"] if job.error else []
    lines += [f"  output: {plain(output.name)} ({size(output.size)}, blob {output.blob})" for output in job.outputs]
    return plain_lines("\n".join(lines))


def task_lines(task: Task) -> str:
    lines = [
        f"task {task.id}: {plain(task.name)}",
        f"  of job {task.job}, {task.task_type}, {task.status}, {task.progress:.0f} %",
    ]
    for attempt in task.attempts:
        exit_code = "" if attempt.exit_code is None else f", exit code {attempt.exit_code}"
        lines.append(
            f"  attempt {attempt.number} on worker {attempt.worker}: {attempt.outcome or 'running'}{exit_code}"
        )
        lines += [f"    {line}" for line in (attempt.error or "").splitlines()]
    return plain_lines("\n".join(lines))


def size(amount: float) -> str:
    if amount < 1000:
        return f"{amount:.0f} bytes"
    for unit in ("KB", "MB", "GB"):
        amount /= 1000
        if amount < 1000:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:.1f} TB"


class JobProgress:
    """A bar on stderr; where that is no terminal, a line per tenth of the way."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            console=self.console,
            disable=quiet or not self.console.is_terminal,
        )
        self.row: TaskID | None = None
        self.last_line: tuple[str, int] | None = None

    def __enter__(self) -> JobProgress:
        self.bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.bar.stop()

    def update(self, job: Job) -> None:
        if self.bar.disable:
            return self._line(job)
        self.row = self.bar.add_task(_named(job), total=100) if self.row is None else self.row
        self.bar.update(self.row, completed=job.progress, description=f"{_named(job)}: {job.status}")

    def note(self, text: str) -> None:
        """A line above the bar."""
        self.console.print(escape(plain(text)), soft_wrap=True, highlight=False)

    def _line(self, job: Job) -> None:
        line = (job.status, int(job.progress // 10))
        if line != self.last_line:
            self.last_line = line
            self.console.print(
                f"{_named(job)} ({job.id}): {job.status}, {job.progress:.0f} %", soft_wrap=True, highlight=False
            )


class UploadProgress:
    """Of bytes, on stderr: a bar; where that is no terminal, a line at the end."""

    def __init__(self, what: str) -> None:
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("uploading {task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.what = escape(plain(what))
        self.row = self.bar.add_task(self.what, total=None)
        self.total = 0

    def __enter__(self) -> UploadProgress:
        self.bar.start()
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        self.bar.stop()
        if self.bar.disable and kind is None:
            self.console.print(f"uploaded {self.what} ({size(self.total)})", soft_wrap=True, highlight=False)

    def update(self, done: int, total: int) -> None:
        self.total = total
        self.bar.update(self.row, completed=done, total=total)


def _named(job: Job) -> str:
    """For rich, which takes square brackets for its own marks."""
    return escape(plain(job.name))
