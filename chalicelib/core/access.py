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

    @property
    def owner(self) -> str | None:
        """Whose a job is that they submit; on an open farm nobody's."""
        return None if self == EVERYBODY else self.name

    def require(self, *scopes: Scope) -> None:
        """One of these is enough."""
        if not self.scopes.intersection(scopes):
            raise Forbidden(f"this needs a token with scope {' or '.join(repr(scope.value) for scope in scopes)}")


EVERYBODY = Principal("open farm", frozenset(Scope))
"""On an open farm whoever reaches the door may do everything; worker secrets are still asked for."""


@dataclass(frozen=True)
class Token:
    """What is known of a token: never its text."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: int


def make_token(farm: Farm, name: str, scopes: Sequence[str]) -> tuple[Token, str]:
    """A new token and its text, which is told only here."""
    unknown = [scope for scope in scopes if scope not in set(Scope)]
    if unknown or not scopes:
        raise BadInput(f"scopes are {', '.join(Scope)}; not {', '.join(unknown) or 'none'}", field="scopes")
    text = "mr_" + secrets.token_urlsafe(32)
    token = Token(farm.ids.one(), name, tuple(sorted(set(scopes))), farm.clock.now())
    key = keys.token(_hash(text))
    fields = {"id": token.id, "name": name, "scopes": list(token.scopes), "created_at": token.created_at}
    listed = {"listing_pk": keys.listing_pk("tokens"), "listing_sk": keys.digits(token.id)}
    farm.table.write(Put({"pk": key.pk, "sk": key.sk, **fields, **listed}, (Absent(),)))
    return token, text


def tokens(farm: Farm) -> list[Token]:
    """All tokens there are, oldest first."""
    return [_token_from(item) for _, item in _token_items(farm)]


def revoke(farm: Farm, token_id: int) -> None:
    """The token opens nothing from here on."""
    for key, item in _token_items(farm):
        if item["id"] == token_id:
            farm.table.write(Delete(key))
            return
    raise NotFound(f"no such token: {token_id}")


def _token_items(farm: Farm) -> Iterator[tuple[Key, Item]]:
    entries = [Key(i["pk"], i["sk"]) for i in pages(farm.table, keys.listing_pk("tokens"), index="listing")]
    for key, item in zip(entries, farm.table.get_many(entries), strict=True):
        if item is not None:
            yield key, item


def _token_from(item: Item) -> Token:
    return Token(item["id"], item["name"], tuple(item["scopes"]), item["created_at"])


def principal(farm: Farm, token: str) -> Principal | None:
    """Whose token this is, or None."""
    item = farm.table.get(keys.token(_hash(token)))
    if item is None:
        return None
    scopes = frozenset[Scope]().union(*(_INCLUDES[Scope(scope)] for scope in item["scopes"]))
    return Principal(item["name"], scopes)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
