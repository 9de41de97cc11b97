"""How a machine gets into a closed farm: a join token, short-lived and used once, becomes a token of its worker's own.

An admin (or the fleet, for a machine that it starts) makes a join token and hands it over in a command line or in
user data, where others may come to see it. The worker exchanges it, with a nonce that it made up and wrote down before:

    join token ──join(name, nonce)──▶ a lasting token that registers the worker of this name and opens nothing else

One write does both: the join token is marked as used, on condition that it is not, and the lasting token is put. So of
two machines with one join token exactly one gets in. A repetition with the same name and nonce, for `REPEAT_MS` after
the use, gets the same token once more: a lost answer or a killed worker strands nobody. The lasting token is derived
from the join token, the nonce and a random seed on the item, so that nothing has to be stored from which it could be
read: the table alone does not give it, nor do join token and nonce without the table.

Requests to the table: make, one write and a look at what has ended; join, one read and one write.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from . import access
from .access import Token, token_hash
from .errors import BadInput, Conflict, Forbidden
from .farm import Farm
from .ports import Absent, ConditionFailed, Delete, Exists, Item, Key, Missing, Put, Set, Update
from .records import keys
from .records.fresh import put_fresh

MINUTES = 15
MOST_MINUTES = 24 * 60
REPEAT_MS = 3600_000
"""So long after its use a join token still gives its user the same answer, however short it was made to live."""
KEPT_MS = 2 * 24 * 3600_000
"""So long after it was made it is removed: nothing depends on it any more."""
_REMOVED_AT_ONCE = 25


class NotAJoinToken(Forbidden):
    """This is no join token of this farm, or it has ended; ask for a new one (`millrace token --join`)."""

    def __init__(self) -> None:
        super().__init__(None, status=401)


class JoinTokenUsed(Conflict):
    """This join token was used by another worker: each lets one in. Ask for a new one (`millrace token --join`)."""


def make(farm: Farm, name: str, minutes: int = MINUTES) -> tuple[Token, str]:
    """A new join token and its text, which is told only here."""
    if not 1 <= minutes <= MOST_MINUTES:
        raise BadInput(f"a join token lives for 1 to {MOST_MINUTES} minutes, not {minutes}", field="minutes")
    text = "mrj_" + secrets.token_urlsafe(32)
    now = farm.clock.now()
    token = Token(farm.ids.one(), name, ("join",), now, now + minutes * 60_000)
    key = keys.join_token(token_hash(text))
    fields = {"id": token.id, "name": name, "scopes": ["join"], "created_at": now, "ends_at": token.ends_at}
    rest = {"seed": secrets.token_hex(32), "expires_at": (now + KEPT_MS) // 1000}
    listed = {"listing_pk": keys.listing_pk("join-tokens"), "listing_sk": keys.digits(token.id)}
    put_fresh(farm.table, Put({"pk": key.pk, "sk": key.sk, **fields, **rest, **listed}, (Absent(),)))
    _remove_old(farm)
    return token, text


def join(farm: Farm, join_token: str, worker: str, nonce: str) -> str:
    """The lasting token of the worker of this name. Raises NotAJoinToken, JoinTokenUsed, TableUnavailable.

    `nonce`: chosen at random by the worker, the same when the call is repeated.
    """
    key = keys.join_token(token_hash(join_token))
    item = farm.table.get(key)
    if item is None:
        raise NotAJoinToken
    if "used_by" not in item:
        if item["ends_at"] <= farm.clock.now():
            raise NotAJoinToken
        item = _use(farm, key, item, join_token, worker, nonce)
    return _given(farm, item, join_token, worker, nonce)


def _use(farm: Farm, key: Key, item: Item, join_token: str, worker: str, nonce: str) -> Item:
    """The item as it is once it is used: by us, or by who was faster."""
    now = farm.clock.now()
    lasting = Token(farm.ids.one(), worker, ("worker",), now, worker=worker)
    used = {"used_by": token_hash(nonce), "worker": worker, "used_at": now}
    mark = Update(key, tuple(Set(field, value) for field, value in used.items()), (Exists(), Missing("used_by")))
    try:
        farm.table.write(mark, access.put_token(lasting, _lasting(item, join_token, worker, nonce)))
    except ConditionFailed:
        found = farm.table.get(key)
        if found is None or "used_by" not in found:  # revoked meanwhile
            raise NotAJoinToken from None
        return found
    return {**item, **used}


def _given(farm: Farm, item: Item, join_token: str, worker: str, nonce: str) -> str:
    """The token that the user of this join token has, if it is this one who asks, and soon enough."""
    if item["used_at"] + REPEAT_MS <= farm.clock.now():
        raise NotAJoinToken
    if item["worker"] != worker or not hmac.compare_digest(item["used_by"], token_hash(nonce)):
        raise JoinTokenUsed
    text = _lasting(item, join_token, worker, nonce)
    if access.principal(farm, text) is None:
        raise Forbidden("the token that this join token was exchanged for has been revoked")
    return text


def _lasting(item: Item, join_token: str, worker: str, nonce: str) -> str:
    said = "\0".join((join_token, worker, nonce)).encode()
    digest = hmac.new(bytes.fromhex(item["seed"]), said, hashlib.sha256).digest()
    return "mr_" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _remove_old(farm: Farm) -> None:
    """On one machine nobody else does; DynamoDB may have been faster."""
    page = farm.table.query(keys.listing_pk("join-tokens"), index="listing", limit=_REMOVED_AT_ONCE)
    entries = [Key(item["pk"], item["sk"]) for item in page.items]
    now_seconds = farm.clock.now() // 1000
    for key, item in zip(entries, farm.table.get_many(entries), strict=True):
        if item is not None and item["expires_at"] <= now_seconds:
            farm.table.write(Delete(key))
