"""`/objects/<key>`: the folder engine's presigned requests. It asks for no credentials but the signature in the URL.

Bytes go between socket and disk in constant memory. An upload that breaks off, or is not what was signed, keeps
nothing.
"""

from __future__ import annotations

import os
from typing import BinaryIO, cast
from urllib.parse import parse_qsl, quote, unquote

from chalicelib.core.errors import Forbidden, Unavailable
from chalicelib.core.ports import Clock, ObjectMismatch
from chalicelib.embedded.answers import Answer, file_answer, json_answer
from chalicelib.embedded.http1 import Head, Refused
from chalicelib.embedded.incoming import Body
from chalicelib.embedded.spool import check_disk
from chalicelib.store.files import FileObjectStore
from chalicelib.store.signing import PREFIX, Grant


class ObjectDoor:
    """Serves signed PUT, GET and HEAD."""

    def __init__(self, objects: FileObjectStore, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock

    def answer(self, head: Head, body: Body) -> Answer:
        if head.method not in ("PUT", "GET", "HEAD"):
            raise Refused(405, "objects know PUT, GET and HEAD", headers={"Allow": "GET, HEAD, PUT"})
        try:
            grant = self._objects.verify(head.method, *_key_and_query(head), self._clock.now())
            return self._store(grant, head, body) if grant.method == "PUT" else self._send(grant, head)
        except Forbidden as error:
            raise Refused(403, error.message) from error
        except (ObjectMismatch, ValueError) as error:
            raise Refused(400, str(error), close=not body.finished) from error
        except Unavailable as error:
            raise Refused(503, error.message, headers={"Retry-After": "5"}) from error

    def _store(self, grant: Grant, head: Head, body: Body) -> Answer:
        if head.content_length is None and not head.chunked:
            raise Refused(411, "an upload needs Content-Length or Transfer-Encoding: chunked", close=True)
        if grant.size is None or grant.sha256 is None:
            raise Refused(403, "this URL does not say what may be uploaded")
        if head.content_length not in (None, grant.size):
            raise ObjectMismatch(f"announced {grant.size} bytes, but Content-Length is {head.content_length}")
        check_disk(self._objects.root, grant.size)
        self._objects.put_stream(grant.key, cast(BinaryIO, body), size=grant.size, sha256=grant.sha256)
        return json_answer(200, {"code": 0, "status": "ok"})

    def _send(self, grant: Grant, head: Head) -> Answer:
        file = self._objects.open_file(grant.key)
        if file is None:
            raise Refused(404, f"there is no object {grant.key}")
        headers = (
            ("Content-Type", grant.content_type or "application/octet-stream"),
            # Jobs' outputs are not ours: as a page they must have no rights on the farm's own origin.
            ("Content-Security-Policy", "sandbox"),
            ("X-Content-Type-Options", "nosniff"),
        )
        if grant.filename is not None:
            disposition = f"attachment; filename*=UTF-8''{quote(grant.filename, safe='')}"
            headers = (*headers, ("Content-Disposition", disposition))  # type: ignore[assignment]
        return file_answer(file, os.fstat(file.fileno()).st_size, headers, head.headers)


def _key_and_query(head: Head) -> tuple[str, dict[str, str]]:
    key = unquote(head.path.removeprefix(PREFIX), errors="strict")
    pairs = parse_qsl(head.query, keep_blank_values=True)
    query = dict(pairs)
    if len(query) != len(pairs):
        raise Forbidden("a parameter of a signed URL is there twice")
    return key, query
