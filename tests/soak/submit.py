"""The clients of all protocols at once, each on a thread of its own, until they have submitted their share of tasks."""

from __future__ import annotations

import random
import threading
import traceback
from dataclasses import dataclass, field

from tests.simulated.calling import NoAnswer
from tests.simulated.clients import Client, Submitted

LARGEST_JOB = {"api": 20, "transcode": 5}
"""Tasks; elsewhere a job is one task."""
CANCELED = 0.03
"""Of the jobs, by their client, soon after they were submitted."""


@dataclass
class Share:
    """One client, and what it has submitted."""

    client: Client
    num_tasks: int
    seed: int
    submitted: list[Submitted] = field(default_factory=list)
    canceled: list[Submitted] = field(default_factory=list)
    num_unanswered: int = 0
    """Submissions whose answer got lost, and that must not be repeated: they may have made a job each."""
    failure: str | None = None

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._guarded, name=f"client {self.client.kind}")
        thread.start()
        return thread

    def _guarded(self) -> None:
        try:
            self._run()
        except Exception:
            self.failure = f"client {self.client.kind}: {traceback.format_exc()}"

    def _run(self) -> None:
        dice = random.Random(f"{self.seed}/{self.client.kind}")
        number, left = 0, self.num_tasks
        while left > 0:
            number += 1
            wanted = dice.randint(1, min(left, LARGEST_JOB.get(self.client.kind, 1)))
            is_canceled = dice.random() < CANCELED
            try:
                submitted = self.client.submit(number, wanted)
            except NoAnswer:
                self.num_unanswered += 1
                continue
            left -= submitted.num_tasks
            self.submitted.append(submitted)
            if is_canceled:
                self.client.cancel(submitted)
                self.canceled.append(submitted)
