"""Who may do what: tokens with scopes, stored hashed.

A token is 256 random bits, so its SHA-256 is stored and looked up by key: a wrong one costs as long as a right one,
and nothing is compared byte by byte.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .errors import BadInput, Forbidden
from .farm import Farm
from .ports import Absent, Put
from .records import keys


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

    def require(self, scope: Scope) -> None:
        if scope not in self.scopes:
            raise Forbidden(f"this needs a token with scope {scope.value!r}")


EVERYBODY = Principal("open farm", frozenset(Scope))
"""On an open farm whoever reaches the door may do everything; worker secrets are still asked for."""


def make_token(farm: Farm, name: str, scopes: Sequence[str]) -> str:
    """A new token; its text is told only here."""
    unknown = [scope for scope in scopes if scope not in set(Scope)]
    if unknown or not scopes:
        raise BadInput(f"scopes are {', '.join(Scope)}; not {', '.join(unknown) or 'none'}", field="scopes")
    text = "mr_" + secrets.token_urlsafe(32)
    key = keys.token(_hash(text))
    item = {"pk": key.pk, "sk": key.sk, "name": name, "scopes": sorted(scopes), "created_at": farm.clock.now()}
    farm.table.write(Put(item, (Absent(),)))
    return text


def principal(farm: Farm, token: str) -> Principal | None:
    """Whose token this is, or None."""
    item = farm.table.get(keys.token(_hash(token)))
    if item is None:
        return None
    scopes = frozenset[Scope]().union(*(_INCLUDES[Scope(scope)] for scope in item["scopes"]))
    return Principal(item["name"], scopes)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
