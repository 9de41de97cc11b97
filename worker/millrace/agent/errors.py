"""What can go wrong when talking to the farm or running a task, named by what the caller does next.

FarmCallError
  Unreachable      no answer, 5xx or 429: the same call again later (`retry_after_seconds`, if the farm said)
  NotRecognised    401/404 about ourselves: register anew
  Refused          the farm understood and said no: do not repeat (`status`: 400, 403, 404, 409, 413)
TaskError
  CommandFailed    the attempt failed: report it with this text and exit code
    NoRoom           the disk is full: what is not needed goes, then the same once more
    InvalidSettings  a command's settings are missing something or mistyped
    CannotStart      a program could not be started (`cause`: what the system said)
  Stopped          the attempt was asked to end; why is on the attempt
StartError         the agent cannot start here (state folder held, token refused): say so and exit
"""

from __future__ import annotations

import os


class FarmCallError(Exception):
    """A call to the farm did not succeed."""


class Unreachable(FarmCallError):
    """The farm did not answer."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Refused(FarmCallError):
    """The farm refused the call."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class NotRecognised(Refused):
    """The farm does not know this worker, or its secret is wrong."""


class TaskError(Exception):
    """Running the task ended early."""


class CommandFailed(TaskError):
    """A command of the task failed."""

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class NoRoom(CommandFailed):
    """This worker's disk is full."""


class InvalidSettings(CommandFailed):
    """A command's settings are wrong."""

    def __init__(self, command: str, problem: str) -> None:
        super().__init__(f"{command}: invalid settings: {problem}")


class CannotStart(CommandFailed):
    """A program could not be started."""

    def __init__(self, program: str, cause: OSError | ValueError) -> None:
        missing = isinstance(cause, FileNotFoundError) and not os.path.dirname(program)
        why = "this machine has no such program on its PATH" if missing else str(cause)
        super().__init__(f"cannot start {program!r}: {why}")
        self.cause = cause


class Stopped(TaskError):
    """The attempt was asked to end."""


class StartError(Exception):
    """The agent cannot start."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
