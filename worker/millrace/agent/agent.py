"""The agent: one worker of one farm, from sign-on to sign-off.

Threads, each with one duty and none waiting for another:

    contract   report, hear, claim                   (contract.py)
    renew      keep leases alive, tell progress      (renewal.py)
    watch      end what runs out                     (renewal.py)
    log        bring task logs to the farm           (logship.py)
    one per attempt: inputs, commands, outputs, report    (execution.py)

The thread that calls `run` waits for the end and then drains (drain.py): a stop from outside, `offline` from the farm,
a machine that is about to go (notices.py), or a farm that does not take us any more. Killed at any instant, the next
start finds the outbox, ends left-over processes, and gives back what it does not report.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from millrace.agent.ahead import Ahead
from millrace.agent.attempt import Attempt, StopReason
from millrace.agent.cache import BlobCache
from millrace.agent.client import FarmClient
from millrace.agent.contract import ContractLoop
from millrace.agent.drain import Drain, Patience
from millrace.agent.errors import CommandFailed, FarmCallError, NotRecognised, Refused, Stopped
from millrace.agent.execution import Workshop, execute
from millrace.agent.guard import Guard
from millrace.agent.held import Held
from millrace.agent.isolation import NO_ISOLATION, Isolation
from millrace.agent.joining import Joining
from millrace.agent.lease import Lease, boot_seconds
from millrace.agent.logship import LogShipper
from millrace.agent.membership import Description, Membership
from millrace.agent.notices import Notice
from millrace.agent.observe import ERROR, WARNING, say
from millrace.agent.outbox import Outbox
from millrace.agent.pictures import Pictures
from millrace.agent.processes import end_leftovers
from millrace.agent.protocol import Assignment, Offer, Report, Told
from millrace.agent.renewal import RenewLoop, Watch
from millrace.agent.room import Room
from millrace.agent.slots import Slots
from millrace.agent.state import StateFolder
from millrace.agent.transfer import Transfer
from millrace.agent.workfolder import remove_folder


@dataclass(frozen=True)
class Options:
    """How a worker behaves. Defaults are for a machine that does one task at a time."""

    slots: int = 1
    prefetch: int | None = None
    """Tasks taken beyond the slots, so that they and their inputs are there when others end. It keeps work from idle
    workers: None takes as many as are begun a moment later (`ahead.py`).
    """
    grace_seconds: float = 20.0
    """How long running tasks may go on after a stop."""
    flush_seconds: float = 10.0
    """How long the last reports and logs may take after the last task."""
    isolation: Isolation = NO_ISOLATION
    pictures: bool = True
    """Whether the farm is shown what was rendered last."""


class Agent:
    """One run of a worker. `run` may be called once."""

    def __init__(
        self,
        client: FarmClient,
        state: StateFolder,
        description: Description,
        options: Options,
        interpreters: Mapping[str, Sequence[str]],
        join_token: str | None = None,
        on_offer: Callable[[Offer], None] | None = None,
    ) -> None:
        self._on_offer = on_offer
        self._leaving = False
        self._state, self._options = state, options
        self._stop_requested = threading.Event()
        self._hurry = threading.Event()
        self._ended = threading.Event()
        self._draining = False
        self._patience = Patience()
        self._was_stopped = False
        self._asleep = False
        self._fault: BaseException | None = None
        joining = Joining(state, description.name, join_token)
        self._membership = Membership(client, state, description, self._wait_or_stop, joining)
        self._room = Room(state.work, self._membership.say_status)
        self._held = Held()
        self._outbox = Outbox(state.outbox)
        self._logs = LogShipper(state.outbox, client)
        apart = options.isolation.confines
        transfer = Transfer(client, BlobCache(state.cache, links=not apart))
        # What decodes them is not kept apart, and the files are of those who are.
        self._pictures = Pictures(client, state.root / "pictures", wanted=options.pictures and not apart)
        self._slots = Slots(options.slots)
        self._ahead = Ahead(options.slots, options.prefetch)
        self._workshop = Workshop(
            state.work,
            transfer,
            self._outbox,
            self._logs,
            self._slots,
            self._ahead,
            interpreters,
            options.isolation,
            self._pictures,
        )
        self._contract = ContractLoop(
            client,
            self._outbox,
            self._held,
            wanted=self._wanted,
            take=self._take,
            hear=self._hear,
            outputs_missing=self._outputs_missing,
            clock=boot_seconds,
        )
        self._renew = RenewLoop(client, self._held, self._hear, boot_seconds)
        self._watch = Watch(self._held, boot_seconds, self._tell_guard)
        self._drain = Drain(self._held, self._outbox, self._logs, self._contract, self._hurry)
        self._guard = Guard(state.work, state.root / "guard.lock")

    def stop(self) -> None:
        """Drain and end; a second call ends running tasks at once."""
        if self._was_stopped:
            self._hurry.set()
        self._was_stopped = True
        self._patience.shorten(self._options.grace_seconds)
        self._stop_requested.set()

    def leave(self, notice: Notice) -> None:
        """The machine is about to go: drain within the time that is left. Further notices may shorten it."""
        self._patience.shorten(notice.seconds)
        self._stop_requested.set()

    def leave_when_idle(self) -> None:
        """Take no more tasks, and end when those that run have ended by themselves, unless stopped before."""
        self._leaving = True

    @property
    def left_by_itself(self) -> bool:
        """`run` ended because of `leave_when_idle`, and nobody wants this worker stopped."""
        return self._leaving and not self._stop_requested.is_set()

    def run(self) -> int:
        """Work until stopped; 0 after a clean end. Raises `StartError` if the farm does not take this worker."""
        self._guard.start()
        try:
            self._clear_up()
            self._begin()
            self._work_until_stopped()
        except Stopped:
            say("stop", "Stopped before the farm answered.")
        finally:
            self._ended.set()
            self._guard.end()
        return 0

    def _work_until_stopped(self) -> None:
        self._start_threads()
        while not self._stop_requested.wait(0.2):
            if self._fault is not None:
                self._join_anew()
            if self._leaving and not len(self._held):
                break
        self._draining = True
        self._drain.run(self._patience, self._options.flush_seconds)
        self._sign_off()

    # -- coming and going ------------------------------------------------------------------------------------------

    def _clear_up(self) -> None:
        """What an earlier run that was killed left behind."""
        killed = end_leftovers(self._state.work)
        if killed:
            say("clear-up", "Ended processes of an earlier run.", level=WARNING, pids=killed)
        for folder in self._state.work.iterdir():
            remove_folder(folder)

    def _begin(self) -> None:
        if not self._membership.begin(self._outbox.leases()):
            self._drop_reports()

    def _drop_reports(self) -> None:
        """The farm took us on as a new worker: what the old one owed, nobody waits for."""
        for lease in self._outbox.leases():
            say("report", "A report of an earlier worker is void and dropped.", level=WARNING, lease=lease)
            self._outbox.answered(lease)

    def _start_threads(self) -> None:
        self._thread("renew", self._renew.run)
        self._thread("watch", self._watch.run)
        self._thread("log", self._logs.run)
        self._thread("picture", self._pictures.run)
        self._thread("contract", self._contract.run)

    def _thread(self, name: str, body: Callable[[threading.Event], None]) -> None:
        def guarded() -> None:
            while not self._ended.is_set():
                try:
                    body(self._ended)
                except NotRecognised as refusal:
                    self._fault = refusal
                    self._ended.wait(1.0)
                except Exception as error:
                    # A mistake of ours in one answer must not end the renewing of all leases.
                    say(name, f"The {name} thread failed and goes on: {error!r}", level=ERROR)
                    self._ended.wait(1.0)

        threading.Thread(target=guarded, name=name, daemon=True).start()

    def _join_anew(self) -> None:
        """The farm does not know us any more: nothing we hold is ours; become a new worker."""
        say("register", f"The farm does not know this worker any more: {self._fault}", level=WARNING)
        self._held.stop_all(StopReason.LOST)
        self._held.wait_until_empty(10.0)
        try:
            self._begin()
        except Stopped:
            return
        self._fault = None
        self._contract.wake()

    def _sign_off(self) -> None:
        # The loops end first: a call after the sign-off would have us back.
        self._ended.set()
        try:
            self._membership.end()
        except FarmCallError as error:
            say("sign-off", f"Could not sign off: {error}", level=WARNING)

    def _wait_or_stop(self, seconds: float) -> None:
        if self._stop_requested.wait(seconds):
            raise Stopped("the worker is stopping")

    # -- what the loops ask of us --------------------------------------------------------------------------------------

    def _wanted(self) -> int:
        """How many tasks may be claimed now."""
        if self._draining or self._leaving or self._asleep or self._stop_requested.is_set() or self._fault is not None:
            return 0
        if not self._room.is_there():
            return 0
        held, now = self._held.all(), boot_seconds()
        longest = max((now - one.runs_since for one in held if one.runs_since is not None), default=0.0)
        return max(0, self._options.slots + self._ahead.wanted(longest) - len(held))

    def _take(self, assignment: Assignment, sent_at: float) -> None:
        """A task is ours: start it on a thread of its own."""
        attempt = Attempt(assignment, Lease(sent_at, assignment.lease_seconds), self._renew.wake)
        if not self._held.add(attempt):
            return
        if self._draining:
            attempt.stop(StopReason.RELEASED)
        self._slots.line_up(attempt.id, is_ready=not assignment.inputs)
        try:
            # Before its first process: from then on somebody must be there to end it.
            self._tell_guard(self._held.all())
            threading.Thread(target=self._execute, args=(attempt,), name=f"task {attempt.id}", daemon=True).start()
        except Exception:
            # Neither held nor reported: the farm takes it back soon.
            self._slots.leave(attempt.id)
            self._held.remove(attempt.id)
            raise

    def _execute(self, attempt: Attempt) -> None:
        try:
            execute(attempt, self._workshop)
        except Exception as error:
            say("fault", f"An attempt could not be brought to its end: {error!r}", level=ERROR, lease=attempt.id)
        finally:
            self._slots.leave(attempt.id)
            self._held.remove(attempt.id)
            self._contract.wake()

    def _hear(self, told: Told) -> None:
        """Cancelled tasks stop; a wished status is taken on."""
        for lease in told.cancel:
            attempt = self._held.get(lease)
            if attempt is not None and attempt.reason is None:
                say("cancel", "The farm cancels a task.", lease=lease)
                attempt.stop(StopReason.CANCELED)
        if told.upgrade is not None and self._on_offer is not None:
            self._on_offer(told.upgrade)
        if told.status_requested is not None:
            self._become(told.status_requested, told.lazy)

    def _become(self, status: str, lazy: bool) -> None:
        """Lazily means after the running tasks; the farm repeats its wish until we say that it is so."""
        if status != "awake":
            self._held.release_unbegun()
        if status != "awake" and not lazy:
            self._held.stop_all(StopReason.INTERRUPTED)
        if status == "offline":
            self._patience.shorten(None if lazy else self._options.grace_seconds)
            self._stop_requested.set()
            return
        self._asleep = status == "asleep"
        if status == "awake" or not len(self._held):
            self._membership.say_status(status)
        if status == "awake":
            self._contract.wake()

    def _tell_guard(self, attempts: list[Attempt]) -> None:
        """Half the margin later than we would end them ourselves: the guard is for when we do not."""
        late = {str(self._state.work / str(one.id)): (one.lease.abandon_at + one.lease.ends_at) / 2 for one in attempts}
        self._guard.tell(late)

    def _outputs_missing(self, report: Report, message: str) -> None:
        say("report", f"The farm misses outputs; sending them again. {message}", level=WARNING, lease=report.lease)
        threading.Thread(target=self._republish, args=(report,), name=f"republish {report.lease}", daemon=True).start()

    def _republish(self, report: Report) -> None:
        try:
            outputs = self._workshop.transfer.republish(report.lease, report.outputs, self._wait_or_stop)
            again = Report(report.lease, report.outcome, report.exit_code, report.error, outputs, report.result)
        except (CommandFailed, Refused) as error:
            again = Report(report.lease, "failed", None, str(error))
        except Stopped:
            return
        self._outbox.put(again)
        self._contract.release_withheld(report.lease)
