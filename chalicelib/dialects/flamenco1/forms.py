"""Request bodies as the original parser took them: an HTML form, one with files (multipart), JSON, or the query string.

Files of a multipart form go to temporary files on the way, so that none is held in memory; the form ends with them.
Those that nobody asks for are read and dropped.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from ...core.errors import BadInput
from ...edge.http import Request
from ...edge.json_text import strict_json

LARGEST_FIELDS_BYTES = 10_000_000
"""All that is not a file: a worker sends the whole output of its program as one field."""
MOST_FIELDS = 1000
JOBFILE, TASKFILE, THUMBNAIL = "jobfile", "taskfile", "file"
"""The parts with files that somebody reads, each at most once in a form."""
MOST_FILES = 10
"""Those that nobody reads too."""
CHUNK_BYTES = 256 * 1024
IN_MEMORY_BYTES = 1_000_000


class TooLarge(BadInput):
    """The fields of this request are too large."""


@dataclass
class Upload:
    """A file part; its content is read from the beginning."""

    content: BinaryIO
    size: int
    sha256: str


@dataclass(frozen=True)
class Form:
    fields: Mapping[str, Any]
    """Of repeated names the last. Text, but for JSON bodies."""
    lists: Mapping[str, list[Any]] = field(default_factory=dict)
    """All values of each name."""
    files: Mapping[str, Upload] = field(default_factory=dict)


@contextmanager
def read(request: Request) -> Iterator[Form]:
    """The body's fields, and those of the query string that the body does not have. Raises BadInput, TooLarge.

    Its files are gone when the block ends.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    with ExitStack() as files:
        if kind == "multipart/form-data":
            form = _multipart(request, options.get("boundary", ""), files)
        else:
            form = _in_memory(request, kind)
        yield _with_query(request, form)


def fields(request: Request) -> Mapping[str, Any]:
    """The fields alone, where no file is expected."""
    with read(request) as form:
        return form.fields


def _with_query(request: Request, form: Form) -> Form:
    query = {name: value for name, value in request.query.items() if name != "token"}
    lists = {name: list(request.repeated[name]) for name in query} | dict(form.lists)
    return Form({**query, **form.fields}, lists, form.files)


def _in_memory(request: Request, kind: str) -> Form:
    body = _small_body(request)
    if kind == "application/json" or (kind != "application/x-www-form-urlencoded" and body.lstrip()[:1] == b"{"):
        return _json(body)
    try:
        pairs = parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise BadInput(f"the form has more than {MOST_FIELDS} fields") from None
    return _of_pairs(pairs, {})


def _small_body(request: Request) -> bytes:
    if request.spool is None:
        return request.body
    if request.spool.size > LARGEST_FIELDS_BYTES:
        raise TooLarge(f"{request.spool.size} bytes are too much; at most {LARGEST_FIELDS_BYTES} without files")
    with request.open_body() as body:
        return body.read()


def _json(body: bytes) -> Form:
    value = strict_json(body) if body.strip() else {}
    if not isinstance(value, dict):
        raise BadInput("the body must be a form or a JSON object")
    given = {name: part for name, part in value.items() if part is not None}
    lists = {name: part if isinstance(part, list) else [part] for name, part in given.items()}
    return Form(given, lists)


def _of_pairs(pairs: list[tuple[str, str]], files: Mapping[str, Upload]) -> Form:
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return Form({name: values[-1] for name, values in lists.items()}, lists, files)


def _multipart(request: Request, boundary: str, files: ExitStack) -> Form:
    if not boundary:
        raise BadInput("the multipart form names no boundary")
    reader = _Parts(files)
    try:
        with request.open_body() as body:
            for event in PushMultipartParser(boundary, max_segment_count=MOST_FIELDS).parse_blocking(
                body.read, CHUNK_BYTES
            ):
                reader.take(event)
    except MultipartError as error:
        raise BadInput(f"the form is broken or incomplete: {error}") from None
    return reader.form()


class _Parts:
    """Collects what the parser says: a segment, its chunks, None at its end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._pairs: list[tuple[str, str]] = []
        self._files: dict[str, Upload] = {}
        self._segment: Any = None
        self._text = b""
        self._bytes_left = LARGEST_FIELDS_BYTES
        self._files_seen = 0
        self._file: Any = None
        """None while a part is read that is not kept."""
        self._digest = hashlib.sha256()

    def take(self, event: Any) -> None:
        if isinstance(event, MultipartSegment):
            self._segment, self._text = event, b""
            if event.filename is not None:
                self._begin_file(event.name)
        elif event is None:
            self._end()
        elif self._segment.filename is not None:
            if self._file is not None:
                self._file.write(event)
                self._digest.update(event)
        else:
            self._bytes_left -= len(event)
            if self._bytes_left < 0:
                raise TooLarge(f"at most {LARGEST_FIELDS_BYTES} bytes without files, please")
            self._text += event

    def _begin_file(self, name: str) -> None:
        """Each may hold a megabyte in memory, so there are few."""
        self._files_seen += 1
        if self._files_seen > MOST_FILES:
            raise BadInput(f"the form has more than {MOST_FILES} files")
        if name in self._files:
            raise BadInput(f"{name}: one file, please", field=name)
        self._file = None
        if name in (JOBFILE, TASKFILE, THUMBNAIL):
            self._file = self._stack.enter_context(
                tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - the stack closes it
            )
            self._digest = hashlib.sha256()

    def _end(self) -> None:
        if self._segment.filename is None:
            self._pairs.append((self._segment.name, self._text.decode(errors="replace")))
            return
        if self._file is None:
            return
        size = self._file.tell()
        self._file.seek(0)
        self._files[self._segment.name] = Upload(self._file, size, self._digest.hexdigest())

    def form(self) -> Form:
        return _of_pairs(self._pairs, self._files)
