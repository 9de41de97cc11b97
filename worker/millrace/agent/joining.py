"""Into a closed farm with a join token: exchanged once for a token of this worker's own, kept in its state folder.

    token.json (0600)   {"farm", "worker", "join": SHA-256 of the join token, "nonce", "token"}

The nonce is on disk before it is first sent. Killed before the answer was written down, the next start asks with the
same nonce and gets the same token, although a join token lets in only one. `token` is missing until then.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from millrace.agent.client import FarmClient
from millrace.agent.durable import read_json, write_json_durably
from millrace.agent.errors import Refused, StartError
from millrace.agent.observe import say
from millrace.agent.protocol import JsonObject
from millrace.agent.retrying import say_unanswered, until_answered
from millrace.agent.state import StateFolder
from millrace.tokens import JOINS


@dataclass(frozen=True)
class Joining:
    """How this worker gets its token: from its folder, or with `join_token`."""

    state: StateFolder
    worker: str
    join_token: str | None = None

    def token(self, client: FarmClient, wait: Callable[[float], None]) -> str | None:
        """The worker's own token, exchanged now if there is need; None if it has neither. Repeats until the farm
        answers. Raises StartError (exit 1) if the farm refuses the join token, or what `wait` raises."""
        kept = self._kept(client.farm_url)
        if kept is not None and "token" in kept and self._is_from(kept):
            return str(kept["token"])
        if self.join_token is None:
            return None
        return self._exchange(client, kept, wait)

    def has_token(self, client: FarmClient) -> bool:
        """Whether a token of this worker's is in the folder."""
        return "token" in (self._kept(client.farm_url) or {})

    def keep(self, client: FarmClient, token: str) -> None:
        """Register with this token, which somebody gave us, from now on."""
        kept = {"farm": client.farm_url, "worker": self.worker, "join": "", "nonce": "", "token": token}
        write_json_durably(self.state.token, kept)

    def _exchange(self, client: FarmClient, kept: JsonObject | None, wait: Callable[[float], None]) -> str:
        assert self.join_token is not None
        if kept is None or not self._is_from(kept):
            kept = {"farm": client.farm_url, "worker": self.worker, "join": _hash(self.join_token)}
            kept["nonce"] = secrets.token_urlsafe(32)
            write_json_durably(self.state.token, kept)
        body = {"token": self.join_token, "name": self.worker, "nonce": kept["nonce"]}
        try:
            answer = until_answered(lambda: client.join(body), wait, say_unanswered)
        except Refused as refusal:
            hint = "" if refusal.status == 401 else way_out(refusal.status, client.farm_url, None)
            if not self.join_token.startswith(JOINS):
                hint = f" (a join token begins with {JOINS}; any other token goes into MILLRACE_TOKEN)"
            raise StartError(f"the farm does not let this worker join: {refusal}{hint}", 1) from refusal
        if not isinstance(answer.get("token"), str):
            raise StartError(f"{client.farm_url} gave no token for the worker: is it a Millrace manager?", 1)
        write_json_durably(self.state.token, {**kept, "token": answer["token"]})
        say("join", "Joined the farm; its token is kept in the state folder.", farm=client.farm_url)
        return str(answer["token"])

    def _kept(self, farm_url: str) -> JsonObject | None:
        """What is in the folder, if it is this farm's and this worker's."""
        found = read_json(self.state.token) or {}
        if (found.get("farm"), found.get("worker")) != (farm_url, self.worker):
            return None
        return found if isinstance(found.get("nonce"), str) else None

    def _is_from(self, kept: JsonObject) -> bool:
        """Whether it came, or is to come, of the join token that we were given; of any, if of none."""
        return self.join_token is None or kept.get("join") == _hash(self.join_token)


def way_out(status: int, farm_url: str, token: str | None) -> str:
    """What whoever starts the worker may do about a refusal."""
    if status in (404, 405):
        return f" (is {farm_url} the farm's URL? It is what stands before /api/v1, most often without a path)"
    if status != 401:
        return ""
    if token is None:
        return " (join with a join token, or set MILLRACE_TOKEN to a token with scope 'worker')"
    if token.startswith(JOINS):
        return " (the token in MILLRACE_TOKEN is a join token: give it with --join)"
    return " (the token shown is none of this farm's: mistyped, revoked, or another farm's; a join token is as good)"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
