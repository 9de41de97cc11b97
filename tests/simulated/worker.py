"""What all simulated workers have in common. They run nothing: whoever drives them says how an execution ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.simulated.calling import Caller


@dataclass(frozen=True)
class Given:
    """A task in a worker's hands."""

    name: tuple[str, str]
    """How its protocol knows it: `("task", farm's id)`, `("job", job's id)` where a job is one task, `("flamenco1",
    the Server's number)`, `("transcode", the task's text)`. `Truth.task_named` finds it."""
    document: Any
    """What the worker was told, or what it needs to speak of the task."""
    generation: int | None = None
    lease_seconds: float | None = None
    """After so long without an answer the worker must stop by itself; None: its protocol knows nothing of the kind."""


class SimulatedWorker(ABC):
    kind: ClassVar[str]
    LOST_AFTER_SECONDS: ClassVar[float | None] = None
    """So long it may say nothing, where its protocol has one rule for all; not even it knows when that is over."""

    def __init__(self, url: str, name: str) -> None:
        self.caller = Caller(url)
        self.name = name
        self.number = ""
        """Its id in the farm. A worker that starts anew may get another."""
        self.numbers: set[str] = set()
        """All that it ever had."""
        self.silent = False

    @abstractmethod
    def join(self) -> None:
        """Become a worker of the farm; again after a restart, with nothing in its hands."""

    @abstractmethod
    def take(self) -> Given | None:
        """The next task, if there is one for this worker now. Also its sign of life."""

    @abstractmethod
    def take_again(self, given: Given) -> Given | None:
        """Repeat the question as if the answer had got lost: the same task. None where nobody can ask twice."""

    @abstractmethod
    def may_go_on(self, given: Given) -> bool:
        """Say that the task runs; False: it is to stop."""

    @abstractmethod
    def end(self, given: Given, outcome: str) -> bool:
        """Report `completed` or `failed`. False: refused, it is not this worker's (any more)."""

    @abstractmethod
    def give_back(self, given: Given) -> bool:
        """Undone, for somebody else. False where the protocol has no such thing: nothing was said."""

    @abstractmethod
    def stopped(self, given: Given) -> None:
        """What a worker says when it has stopped because it was told to."""

    def fall_silent(self, silent: bool) -> None:
        """While it is silent, calls to it are not answered either."""
        self.silent = silent

    def leave(self) -> None:
        """Its process has ended; connections and listeners are closed."""
        self.caller.close()

    def is_now(self, number: str) -> None:
        self.number = number
        self.numbers.add(number)
