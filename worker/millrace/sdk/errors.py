"""What can go wrong when talking to a farm, named by what the caller does next. The docstring is the default message.

FarmError
  Unreachable       nobody answers: check the URL and the network, start the farm, try again
    Busy            the farm answers, and says "later", for longer than we were patient
  NotAFarm          somebody answers, but no farm of this version: check the URL
  Refused           the farm understood, and said no; `problem` is its problem document (RFC 9457)
    BadRequest      mend the request; `field` names what is wrong
    NotAllowed      give a token, or another one
    NotFound        look at the id
    Conflict        right request, wrong moment: look at the state again
  FarmFault         the farm itself made a mistake: look at its log
  NotEnded          the job was not over in the time given: wait on, or not
  Damaged           what was downloaded is not what the farm announced: download again
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FarmError(Exception):
    """The farm could not do this."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])

    @property
    def message(self) -> str:
        return str(self.args[0])


class Unreachable(FarmError):
    """No farm answers at this address."""


class Busy(Unreachable):
    """The farm is busy; try again later."""


class NotAFarm(FarmError):
    """What answers at this address is not a Millrace farm."""


class Refused(FarmError):
    """The farm refused this."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.problem = problem
        super().__init__(one_line(problem))

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.problem.get("status", 0))

    @property
    def field(self) -> str | None:
        """Which field of the request is wrong, dotted, if the farm named one."""
        return next((field for field, _ in complaints(self.problem) if field), None)


class BadRequest(Refused):
    """The request is wrong."""


class NotAllowed(Refused):
    """Not allowed without a token, or with this one."""


class NotFound(Refused):
    """There is no such thing."""


class Conflict(Refused):
    """The state does not allow this now."""


class FarmFault(FarmError):
    """The farm failed; its log tells why."""


class NotEnded(FarmError):
    """The job has not ended in the time given."""


class Damaged(FarmError):
    """What was downloaded is not what the farm announced."""


BY_STATUS: Mapping[int, type[Refused]] = {
    400: BadRequest,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: BadRequest,
    415: BadRequest,
    422: BadRequest,
}


def refusal(problem: Mapping[str, Any]) -> Refused:
    return BY_STATUS.get(int(problem.get("status", 0)), Refused)(problem)


def one_line(problem: Mapping[str, Any]) -> str:
    """`settings.segments: not a range (expected "1-5")`; several complaints are joined by semicolons."""
    pairs = complaints(problem)
    lines = [f"{field}: {text}" if field and not text.startswith(field) else text for field, text in pairs]
    return "; ".join(lines) or f"refused with status {problem.get('status')}"


def complaints(problem: Mapping[str, Any]) -> list[tuple[str | None, str]]:
    """(field or None, text), from the document's list of errors if it has one, else from its own members."""
    errors = problem.get("errors")
    if isinstance(errors, list) and errors:
        return [_complaint(error) for error in errors if isinstance(error, Mapping)]
    complaint = _complaint(problem)
    return [complaint] if complaint[1] else []


def _complaint(document: Mapping[str, Any]) -> tuple[str | None, str]:
    text = document.get("detail") or document.get("message") or document.get("title") or ""
    field = document.get("field")
    return (str(field) if field else None, str(text))
