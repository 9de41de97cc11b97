"""What can go wrong in the farm, named by what the caller does next. The docstring is the default message.

    FarmError
      Refusal             the same again, with all as it is, is refused again
        BadInput          the request is wrong: mend it (HTTP 400/422)
        NotFound          no such thing (404)
          ObjectMissing   the blob is known, its bytes are not there (404)
        Conflict          right request, wrong moment: look at the state again (409)
          Changed         somebody else has changed it since it was read: read it again (412)
          LeaseLost       the task is no longer this worker's: stop working on it (409)
        Forbidden         who asks may not do this (401/403)
      Unavailable         try again later (503)
        AtWork            just this is being done already: ask again until it is (503)

Of these, FarmError and Refusal are never raised themselves: they are for who catches.

No HTTP numbers here: each door translates once, at its edge.
"""

from __future__ import annotations

from typing import Any


class FarmError(Exception):
    """The farm could not do this."""

    def __init__(self, message: str | None = None, **context: Any) -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])
        self.context = context

    @property
    def message(self) -> str:
        return str(self.args[0])


class Refusal(FarmError):
    """The farm refuses this, and will again.

    What cannot go on for such a reason has failed; a moment's fault is no such reason.
    """


class BadInput(Refusal):
    """The request is not valid."""

    def __init__(self, message: str | None = None, *, field: str | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.field = field
        """Which field is wrong, dotted (`settings.tasks.3.name`), or None for the whole."""


class NotFound(Refusal):
    """There is no such thing."""


class ObjectMissing(NotFound):
    """The blob is known, but its content was never uploaded."""


class Conflict(Refusal):
    """The state does not allow this now."""


class Changed(Conflict):
    """Somebody else has changed this since it was read; read it again."""


class LeaseLost(Conflict):
    """The task is no longer leased to this worker."""


class Forbidden(Refusal):
    """This is not allowed for who asks."""


class Unavailable(FarmError):
    """The farm is busy; try again."""


class AtWork(Unavailable):
    """The farm is doing just this already; ask again until it is done."""
