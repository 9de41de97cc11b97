"""E-mail."""

from __future__ import annotations

from typing import Protocol


class MailFailed(Exception):
    """The e-mail was not taken, or it is not known; the message says why."""


class Mailer(Protocol):
    """Sends e-mail from the farm's own address. Farms on one machine have none."""

    def send(self, to: str, subject: str, text: str) -> None:
        """Hand over plain text for one address. The subject is one line without control characters. Taken is not
        delivered: what bounces later is not heard of here. Raises MailFailed."""
        ...
