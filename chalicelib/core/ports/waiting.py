"""Time, and the bell that wakes who waits for something to happen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time in whole milliseconds since 1970."""

    def now(self) -> int: ...


class Waiter(Protocol):
    """Registered for topics from creation on: a ring between a look at the table and `wait` is not lost."""

    def wait(self, seconds: float) -> bool:
        """True as soon as a topic rang; False when the time is over. The look at the table decides, never the ring."""
        ...

    def used(self) -> None:
        """The wake was made use of: it need not be passed on."""
        ...

    def __enter__(self) -> Waiter: ...

    def __exit__(self, *exc: object) -> None:
        """Leaves; a ring that this waiter got and did not use is passed on to another."""
        ...


class Bell(Protocol):
    """Wakes calls that wait for work or for a job's end."""

    def waiter(self, topics: Iterable[str]) -> Waiter: ...

    def ring(self, topic: str, *, times: int | None = 1) -> None:
        """Wake that many waiters of the topic, all for None."""
        ...
