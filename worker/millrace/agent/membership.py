"""How the worker belongs to the farm: register once, sign on at each start, say which status it has, sign off.

The secret is written to disk before it is first used. A crash between registering and that write leaves an unused
worker on the farm, and the next start registers another.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millrace import __version__
from millrace.agent.client import FarmClient
from millrace.agent.errors import NotRecognised, Refused, StartError
from millrace.agent.joining import Joining, way_out
from millrace.agent.observe import WARNING, say
from millrace.agent.protocol import Credentials, JsonObject, LeaseId
from millrace.agent.retrying import say_unanswered, until_answered
from millrace.agent.state import StateFolder


@dataclass(frozen=True)
class Description:
    """What the worker tells the farm of itself."""

    name: str
    task_types: Sequence[str]
    runtimes: Sequence[str]
    tags: Sequence[str]
    slots: int

    def to_wire(self) -> JsonObject:
        worker = {
            "name": self.name,
            "task_types": list(self.task_types),
            "tags": list(self.tags),
            "slots": self.slots,
            "platform": {"win32": "windows", "darwin": "darwin"}.get(sys.platform, "linux"),
            "software": f"millrace-worker/{__version__}",
        }
        return {"runtime": list(self.runtimes), "worker": worker}


class Membership:
    """The worker's standing with one farm. Calls repeat through outages until `wait` raises."""

    def __init__(
        self,
        client: FarmClient,
        state: StateFolder,
        description: Description,
        wait: Callable[[float], None],
        joining: Joining,
    ) -> None:
        self._joining = joining
        self._client = client
        self._state = state
        self._description = description
        self._wait = wait

    def begin(self, held: Sequence[LeaseId]) -> bool:
        """Register if need be, sign on with what is still to be reported; True if we are the worker we were before.

        A farm that no longer knows us gets a new registration, once; if it then refuses its own new worker,
        `StartError`, as for one that it knows and refuses.
        """
        self._client.started(self._state.next_start())
        known = self._state.credentials(self._client.farm_url)
        self._join(is_known=known is not None)
        if known is not None:
            self._client.use(known)
            try:
                self._sign_on(held)
                return True
            except NotRecognised as refusal:
                say("register", f"The farm does not know this worker any more: {refusal}", level=WARNING)
            except Refused as refusal:
                raise StartError(f"the farm refuses this worker: {refusal}", 1) from refusal
        self._register()
        try:
            self._sign_on([])
        except Refused as refusal:
            raise StartError(f"the farm refuses the worker it has just registered: {refusal}", 1) from refusal
        return False

    def say_status(self, status: str) -> None:
        """Tell the farm that the worker has become `awake`, `asleep` or `error`."""
        self._client.worker_call("status", {"status": status})
        say("status", f"The worker is {status}.")

    def end(self) -> None:
        """Sign off: whatever we may still hold, the farm takes back at once."""
        self._client.worker_call("sign-off", {}, answer_seconds=5.0)
        say("sign-off", "Signed off.")

    def _join(self, *, is_known: bool) -> None:
        """Have a token of our own, if we can. A worker that the farm knows already can do without."""
        try:
            token = self._joining.token(self._client, self._wait)
        except StartError as error:
            if not is_known:
                raise
            say("join", str(error), level=WARNING)
            return
        if token is not None:
            self._client.use_token(token)

    def _register(self) -> None:
        try:
            answer = until_answered(
                lambda: self._client.register(self._description.to_wire()), self._wait, say_unanswered
            )
        except Refused as refusal:
            hint = way_out(refusal.status, self._client.farm_url, self._client.token)
            raise StartError(f"the farm does not register this worker: {refusal}{hint}", 1) from refusal
        if not isinstance(answer.get("secret"), str) or "id" not in answer:
            raise StartError(f"{self._client.farm_url} gave no secret for the worker: is it a Millrace manager?", 1)
        credentials = Credentials(str(answer["id"]), answer["secret"])
        self._state.keep(credentials, self._client.farm_url)
        self._client.use(credentials)
        say("register", "Registered with the farm.", worker=credentials.worker_id, farm=self._client.farm_url)

    def _sign_on(self, held: Sequence[LeaseId]) -> None:
        body = {**self._description.to_wire(), "held": [lease.to_wire() for lease in held]}
        until_answered(lambda: self._client.worker_call("sign-on", body), self._wait, say_unanswered)
        say("sign-on", "Signed on.", held=len(held) or None)
