"""Between the farm's words and those of the scheduler protocol: pure functions, no table, no clock.

The maps are total: a status or outcome that the core gains must get a word here before the tests pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from ...core.jobs import Submission
from ...core.lifecycle import JobStatus, Outcome, TaskStatus
from ...core.model import Attempt, Job, Task, WorkerId

JOB_TYPE = "command"
STARTED = "started"
"""How the activity of a task begins whose program runs (native protocol, `exec`)."""
KILLED = "signal: killed"
WORKER_NOT_FOUND = "worker not found"
NAME_CHARACTERS = 200


class State(Enum):
    RUNNING = "running"
    """Or about to: the protocol knows no queue."""
    OK = "ok"
    FAILED = "failed"
    KILLED = "killed"


STATES: Mapping[TaskStatus, State] = {
    TaskStatus.WAITING: State.RUNNING,
    TaskStatus.QUEUED: State.RUNNING,
    TaskStatus.ACTIVE: State.RUNNING,
    TaskStatus.PAUSED: State.RUNNING,
    TaskStatus.COMPLETED: State.OK,
    TaskStatus.FAILED: State.FAILED,
    TaskStatus.CANCELED: State.KILLED,
}
JOB_STATES: Mapping[JobStatus, State] = {
    # For a job whose task is not there (yet), or stands in no worker's hands.
    JobStatus.COMPILING: State.RUNNING,
    JobStatus.QUEUED: State.RUNNING,
    JobStatus.ACTIVE: State.RUNNING,
    JobStatus.PAUSED: State.RUNNING,
    JobStatus.COMPLETED: State.OK,
    JobStatus.FAILED: State.FAILED,
    JobStatus.CANCELED: State.KILLED,
}


@dataclass(frozen=True)
class Status:
    """What /query says. There is an error exactly when there is a text, and only when it is done."""

    done: bool
    error_text: str = ""


def state_of(job: Job, task: Task | None) -> State:
    """A job that was canceled runs on until its worker has killed the program; nobody else has to be waited for."""
    if task is None:
        return JOB_STATES[job.status]
    state = STATES[task.status]
    if state is State.RUNNING and task.status is not TaskStatus.ACTIVE:
        return JOB_STATES[job.status]
    return state


def status_of(job: Job, task: Task | None) -> Status:
    state = state_of(job, task)
    if state is State.RUNNING:
        return Status(done=False)
    if state is State.OK:
        return Status(done=True)
    if state is State.KILLED:
        return Status(True, KILLED)
    attempt = task.attempts[-1] if task is not None and task.attempts else None
    said = ended_text(attempt) if attempt is not None else task.error if task is not None else job.error
    return Status(True, said or "the job failed")


def ended_text(attempt: Attempt) -> str | None:
    """How an attempt of a failed task ended, as the original would say it; None where nothing is known."""
    if attempt.outcome in FORCED:
        return KILLED
    if attempt.exit_code:
        dumped = (attempt.error or "").endswith(CORE_DUMPED)
        return exit_text(attempt.exit_code) + (CORE_DUMPED if dumped else "")
    return attempt.error


CORE_DUMPED = " (core dumped)"
FORCED = frozenset({Outcome.CANCELED, Outcome.INTERRUPTED})
"""The worker has killed the program; it was asked to, or had to go. A lost one may still run somewhere."""


def exit_text(exit_code: int) -> str:
    """Negative: the signal that ended it."""
    return f"exit status {exit_code}" if exit_code >= 0 else f"signal: {signal_text(-exit_code)}"


def signal_text(number: int) -> str:
    return _SIGNALS.get(number, f"signal {number}")


_SIGNALS: Mapping[int, str] = {
    # Go's names of Linux's signals (syscall/zerrors_linux_amd64.go).
    1: "hangup",
    2: "interrupt",
    3: "quit",
    4: "illegal instruction",
    5: "trace/breakpoint trap",
    6: "aborted",
    7: "bus error",
    8: "floating point exception",
    9: "killed",
    10: "user defined signal 1",
    11: "segmentation fault",
    12: "user defined signal 2",
    13: "broken pipe",
    14: "alarm clock",
    15: "terminated",
    16: "stack fault",
    17: "child exited",
    18: "continued",
    19: "stopped (signal)",
    20: "stopped",
    21: "stopped (tty input)",
    22: "stopped (tty output)",
    23: "urgent I/O condition",
    24: "CPU time limit exceeded",
    25: "file size limit exceeded",
    26: "virtual timer expired",
    27: "profiling timer expired",
    28: "window changed",
    29: "I/O possible",
    30: "power failure",
    31: "bad system call",
}


# ---- starting ------------------------------------------------------------------------------------------------------

_START_FAILURES = ("exec: ", "fork/exec ", "chdir ")
"""How Go begins when a program could not be started at all; our worker says it so."""


class Began(Enum):
    UNKNOWN = "unknown"
    YES = "yes"
    NO = "no"


def began(task: Task | None) -> Began:
    """Whether the program has started, as far as its worker has said."""
    if task is None or STATES[task.status] is State.RUNNING:
        runs = task is not None and task.status is TaskStatus.ACTIVE and task.activity.startswith(STARTED)
        return Began.YES if runs else Began.UNKNOWN
    return Began.NO if start_failure(task) else Began.YES


def start_failure(task: Task) -> str | None:
    """Why the program could not be started; None if it could, or ended in another way."""
    last = task.attempts[-1] if task.attempts else None
    if task.status is not TaskStatus.FAILED or last is None or last.exit_code is not None or last.error is None:
        return None
    return last.error if last.error.startswith(_START_FAILURES) else None


def submission(worker: WorkerId, command: str, path: str) -> Submission:
    """Exactly one argument, even if it is empty; where the worker itself was started; killed without notice."""
    settings = {"argv": [command, path], "worker": str(worker), "folder": ".", "notify_seconds": 0}
    return Submission(_name(command, path), JOB_TYPE, settings, max_retries=0)


def _name(command: str, path: str) -> str:
    shown = f"{command} {path}" if path else command
    return "".join(c if c.isprintable() else "?" for c in shown)[:NAME_CHARACTERS]


# ---- errors --------------------------------------------------------------------------------------------------------


def rpc_error(text: str, code: str = "Unknown") -> str:
    """What the original says when its worker refused or could not be reached."""
    return f"rpc error: code = {code} desc = {text}"


JOB_NOT_FOUND = rpc_error("job not found")
NO_COMMAND = rpc_error("exec: no command")


def unreachable(worker: str, status: str) -> str:
    dialing = f"transport: Error while dialing dial worker {worker}: it is {status}"
    return rpc_error(f'connection error: desc = "{dialing}"', "Unavailable")
