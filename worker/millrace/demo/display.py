"""The demo's live picture: a bar for the job, and a line per worker. In a pipe: a line for each thing that changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from millrace.sdk.values import Job, Task


class Display:
    """Shows states of one job as they come. A context: the picture stays when it ends."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, refresh_per_second=8) if console.is_terminal else None
        self.said: set[str] = set()

    def __enter__(self) -> Display:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.live:
            self.live.stop()

    def show(self, job: Job, active: Sequence[Task], names: Mapping[str, str]) -> None:
        """`names` are those of the workers, by id."""
        if self.live:
            self.live.update(picture(job, active, names))
        else:
            for line in lines(job, active, names):
                if line not in self.said:
                    self.said.add(line)
                    self.console.print(line, soft_wrap=True, highlight=False)


def picture(job: Job, active: Sequence[Task], names: Mapping[str, str]) -> Group:
    """The job's bar; below it who does what, with a bar of its own."""
    head = Table.grid(padding=(0, 1))
    head.add_row(Text(job.name, style="bold"), bar(job.progress, 40), f"{job.progress:3.0f} %", tally(job))
    rows = Table.grid(padding=(0, 1))
    for name in sorted(names.values()):
        held = [task for task in active if names.get(task.worker or "") == name]
        for task in held:
            rows.add_row("  " + name, Text(task.name, style="cyan"), bar(task.progress, 20), task.activity or "")
        if not held:
            rows.add_row("  " + name, Text("idle", style="dim"), "", "")
    return Group(head, rows)


def bar(percent: float, width: int) -> ProgressBar:
    return ProgressBar(total=100, completed=percent, width=width)


def tally(job: Job) -> str:
    done = job.counts.get("completed", 0)
    return f"{job.status}, {done} of {job.tasks} tasks" if job.tasks else job.status


def lines(job: Job, active: Sequence[Task], names: Mapping[str, str]) -> list[str]:
    """The progress in steps of ten, and who has begun what."""
    begun = [f"  {names.get(task.worker or '', task.worker)}: {task.name}" for task in active]
    return [f"{job.name}: {job.status}, {job.progress // 10 * 10:.0f} %", *begun]
