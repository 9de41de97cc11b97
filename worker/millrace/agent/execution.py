"""Runs one attempt from its inputs to its report. The body of an attempt's thread.

Decides nothing about leases: it is told to stop through the attempt. Whatever happens, the tree is ended, the work
folder is gone and the report is in the outbox when `execute` returns; if the agent dies before, the next sign-on
gives the attempt back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from millrace.agent.ahead import Ahead
from millrace.agent.attempt import Attempt, Progress, StopReason
from millrace.agent.context import Context, task_environment
from millrace.agent.errors import CommandFailed, Stopped
from millrace.agent.isolation import NO_ISOLATION, Isolation
from millrace.agent.lease import boot_seconds
from millrace.agent.logship import LogShipper
from millrace.agent.observe import ERROR, say
from millrace.agent.outbox import Outbox
from millrace.agent.outputs import gathered
from millrace.agent.pictures import Pictures
from millrace.agent.protocol import JsonObject, Output, Report
from millrace.agent.slots import Slots
from millrace.agent.tasklog import TaskLog
from millrace.agent.transfer import Transfer
from millrace.agent.workfolder import make_work_folder, remove_folder
from millrace.runtimes import run_command


@dataclass(frozen=True)
class Workshop:
    """What attempts share on this worker."""

    work_root: Path
    transfer: Transfer
    outbox: Outbox
    logs: LogShipper
    slots: Slots
    ahead: Ahead
    interpreters: Mapping[str, Sequence[str]]
    isolation: Isolation = NO_ISOLATION
    pictures: Pictures | None = None


@dataclass
class _Results:
    """What the commands of one attempt gave so far."""

    result: JsonObject = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)


def execute(attempt: Attempt, workshop: Workshop) -> None:
    """Run the attempt and put its report into the outbox; a lost attempt leaves nothing behind."""
    try:
        log = workshop.logs.open(attempt.id)
    except OSError as error:
        attempt.ended()
        say("fault", f"A task's log cannot be kept, so it does not begin: {error}", level=ERROR, lease=attempt.id)
        workshop.outbox.put(Report(attempt.id, "failed", None, _in_words(error)))
        return
    say("start", f"Task {attempt.assignment.name!r} starts.", lease=attempt.id, job=attempt.assignment.job)
    try:
        report = _report(attempt, workshop, log)
    finally:
        attempt.ended()
    log.close()
    if attempt.reason is StopReason.LOST:
        workshop.logs.abandon(attempt.id)
        say("lost", "The lease is lost; nothing is reported.", lease=attempt.id)
    else:
        workshop.outbox.put(report)
        workshop.logs.ended(attempt.id)
        say(
            "end",
            f"Task {attempt.assignment.name!r} {report.outcome}.",
            error=report.error,
            lease=attempt.id,
            job=attempt.assignment.job,
        )


def _report(attempt: Attempt, workshop: Workshop, log: TaskLog) -> Report:
    """How it went, as a report; everything that can go wrong in a task ends here."""
    work = None
    try:
        work = make_work_folder(workshop.work_root, attempt.id)
        result, outputs = _run(attempt, workshop, log, work)
        return Report(attempt.id, "completed", 0, None, outputs, result)
    except Stopped:
        return _stopped(attempt, log)
    except CommandFailed as failure:
        # A command that was killed fails too: the reason for the stop is the truer story.
        if attempt.reason is not None:
            return _stopped(attempt, log)
        log.line(f"failed: {failure}")
        return Report(attempt.id, "failed", failure.exit_code, str(failure))
    except Exception as error:
        say("fault", f"The agent failed in a task: {error!r}", level=ERROR, lease=attempt.id)
        text = _in_words(error) if isinstance(error, OSError) else f"the worker failed: {error!r}"
        log.line(f"failed in the worker: {text}")
        return Report(attempt.id, "failed", None, text)
    finally:
        attempt.ended()
        if work is not None:
            remove_folder(work)


def _in_words(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"this worker cannot read or write its files: {error.strerror or error}{where}"


def _run(attempt: Attempt, workshop: Workshop, log: TaskLog, work: Path) -> tuple[JsonObject, tuple[Output, ...]]:
    task = attempt.assignment
    workshop.transfer.fetch(task.lease, task.inputs, work, attempt.wait)
    workshop.isolation.hand_over(work)
    with _slot(attempt, workshop):
        results = _run_commands(attempt, workshop, log, work)
    attempt.check()
    attempt.progressed(Progress(100.0, "uploading"))
    files = gathered(results.outputs, work)
    outputs = workshop.transfer.publish(attempt.id, files, attempt.wait)
    if workshop.pictures is not None:
        # Not before: a file that has a link elsewhere is copied into the cache.
        workshop.pictures.offer(attempt.id, files)
    # Last look: what is published from here on must be under a lease that still stands.
    attempt.check()
    return results.result, outputs


def _run_commands(attempt: Attempt, workshop: Workshop, log: TaskLog, work: Path) -> _Results:
    task = attempt.assignment
    results = _Results(outputs=list(task.outputs))
    context = Context(attempt, log, work, task_environment(task, work), workshop.interpreters, workshop.isolation)
    for command in task.commands:
        attempt.check()
        started = time.monotonic()
        log.line(f"{command.name}: starting")
        attempt.lives()
        produced = run_command(context, command.name, command.settings)
        log.line(f"{command.name}: done in {time.monotonic() - started:.1f} s")
        attempt.rests()
        results.result.update(produced.result)
        results.outputs += produced.outputs
        results.outputs = [name for name in results.outputs if name not in produced.not_produced]
    return results


class _slot(AbstractContextManager[None]):
    """The right to compute: a task taken ahead waits here until a running one is through, but not for long."""

    def __init__(self, attempt: Attempt, workshop: Workshop) -> None:
        self._attempt, self._slots, self._ahead = attempt, workshop.slots, workshop.ahead

    def __enter__(self) -> None:
        if not self._slots.acquire(self._attempt.id, 0.0):
            self._attempt.waits()
            while not self._slots.acquire(self._attempt.id, 0.2):
                if self._attempt.waits_longer_than(self._ahead.patience_seconds):
                    self._attempt.release_unbegun()
                self._attempt.check()
        try:
            self._attempt.begins()
        except Stopped:
            self._slots.release()
            raise

    def __exit__(self, *error: object) -> None:
        self._slots.release()
        begun_at = self._attempt.runs_since
        if begun_at is not None:
            self._ahead.ended(boot_seconds() - begun_at)


def _stopped(attempt: Attempt, log: TaskLog) -> Report:
    outcome, why = {
        StopReason.RELEASED: ("released", None),
        StopReason.CANCELED: ("canceled", None),
        StopReason.OVERTIME: ("failed", f"ran longer than the {attempt.assignment.max_seconds} s it may take"),
        StopReason.IDLE: ("failed", f"showed no sign of life for {attempt.assignment.idle_seconds} s"),
        StopReason.EXPIRED: ("interrupted", "the lease could not be renewed in time"),
    }.get(attempt.reason or StopReason.INTERRUPTED, ("interrupted", "the worker is stopping"))
    log.line(f"{outcome}" + (f": {why}" if why else ""))
    return Report(attempt.id, outcome, None, why)
