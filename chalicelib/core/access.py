"""Who may do what: tokens with scopes, stored hashed.

A token is 256 random bits, so its SHA-256 is stored and looked up by key: a wrong one costs as long as a right one,
and nothing is compared byte by byte.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from .errors import BadInput, Forbidden, NotFound
from .farm import Farm
from .model import WorkerId
from .ports import Absent, Delete, Item, Key, Put
from .records import keys
from .records.fresh import put_fresh
from .records.paging import pages


class Scope(StrEnum):
    SUBMIT = "submit"
    """Submit jobs, upload and read."""
    OPERATE = "operate"
    """Also cancel, pause, retry, prioritise, and steer workers."""
    WORKER = "worker"
    """Register workers and do their work."""
    ADMIN = "admin"
    """Everything, tokens included."""


_INCLUDES = {
    Scope.SUBMIT: {Scope.SUBMIT},
    Scope.OPERATE: {Scope.SUBMIT, Scope.OPERATE},
    Scope.WORKER: {Scope.WORKER},
    Scope.ADMIN: set(Scope),
}


@dataclass(frozen=True)
class Principal:
    """Who asks, as far as access is concerned."""

    name: str
    scopes: frozenset[Scope]
    worker: WorkerId | None = None
    """Set for a worker that shows its own secret: it may touch only what its leases give it."""
    member: str | None = None
    """Set for a token that a join token was exchanged for: it registers the worker of this name, and opens nothing."""

    @property
    def owner(self) -> str | None:
        """Whose a job is that they submit; on an open farm nobody's."""
        return None if self == EVERYBODY else self.name

    def require(self, *scopes: Scope) -> None:
        """One of these is enough."""
        if not self.scopes.intersection(scopes):
            if self.member is not None:
                raise Forbidden(f"this token is for the worker {self.member!r} to register with, and for nothing else")
            raise Forbidden(f"this needs a token with scope {' or '.join(repr(scope.value) for scope in scopes)}")

    def require_to_register(self, worker_name: str) -> None:
        """Whether they may register a worker of this name with its own protocol."""
        if self.member != worker_name:
            self.require(Scope.WORKER)


EVERYBODY = Principal("open farm", frozenset(Scope))
"""On an open farm whoever reaches the door may do everything; worker secrets are still asked for."""


@dataclass(frozen=True)
class Token:
    """What is known of a token: never its text."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: int
    ends_at: int | None = None
    """Only of join tokens (`joining.py`), whose one scope is `join`."""
    worker: str | None = None
    """The name of the worker that it belongs to, or that it let in."""


def make_token(farm: Farm, name: str, scopes: Sequence[str]) -> tuple[Token, str]:
    """A new token and its text, which is told only here."""
    unknown = [scope for scope in scopes if scope not in set(Scope)]
    if unknown or not scopes:
        raise BadInput(f"scopes are {', '.join(Scope)}; not {', '.join(unknown) or 'none'}", field="scopes")
    text = "mr_" + secrets.token_urlsafe(32)
    token = Token(farm.ids.one(), name, tuple(sorted(set(scopes))), farm.clock.now())
    put_fresh(farm.table, put_token(token, text))
    return token, text


def put_token(token: Token, text: str) -> Put:
    key = keys.token(token_hash(text))
    fields = {"id": token.id, "name": token.name, "scopes": list(token.scopes), "created_at": token.created_at}
    bound = {"worker": token.worker} if token.worker is not None else {}
    listed = {"listing_pk": keys.listing_pk("tokens"), "listing_sk": keys.digits(token.id)}
    return Put({"pk": key.pk, "sk": key.sk, **fields, **bound, **listed}, (Absent(),))


def tokens(farm: Farm) -> list[Token]:
    """All tokens there are, oldest first; then the join tokens that have not ended."""
    found = [_token_from(item) for _, item in _token_items(farm)]
    return [token for token in found if token.ends_at is None or token.ends_at > farm.clock.now()]


def revoke(farm: Farm, token_id: int) -> None:
    """The token opens nothing from here on."""
    for key, item in _token_items(farm):
        if item["id"] == token_id:
            farm.table.write(Delete(key))
            return
    raise NotFound(f"no such token: {token_id}")


def _token_items(farm: Farm) -> Iterator[tuple[Key, Item]]:
    entries = [
        Key(item["pk"], item["sk"])
        for noun in ("tokens", "join-tokens")
        for item in pages(farm.table, keys.listing_pk(noun), index="listing")
    ]
    for key, item in zip(entries, farm.table.get_many(entries), strict=True):
        if item is not None:
            yield key, item


def _token_from(item: Item) -> Token:
    scopes = tuple(item["scopes"])
    return Token(item["id"], item["name"], scopes, item["created_at"], item.get("ends_at"), item.get("worker"))


def principal(farm: Farm, token: str) -> Principal | None:
    """Whose token this is, or None."""
    item = farm.table.get(keys.token(token_hash(token)))
    if item is None:
        return None
    if item.get("worker") is not None:
        return Principal(item["name"], frozenset(), member=item["worker"])
    scopes = frozenset[Scope]().union(*(_INCLUDES[Scope(scope)] for scope in item["scopes"]))
    return Principal(item["name"], scopes)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
