"""Field types that several job types share. Settings refuse what they do not know, and never convert silently."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from ..core.ids import LARGEST, TEXT
from ..core.model import BlobId, ManifestId
from .frame_ranges import parse_frames

_ABSOLUTE = re.compile(r"/.+|[A-Za-z]:[\\/].+|\\\\.+")


class Settings(BaseModel):
    """Base of every job type's settings. What stands below a field describes it in the OpenAPI document, too."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Limited(Settings):
    """How long a task may take. A task that is ended for it has failed, and is tried again as any other failure."""

    max_seconds: int | None = Field(default=None, ge=1, le=31 * 86_400)
    """From when a worker took it, with the transfer of its inputs."""
    idle_seconds: int | None = Field(default=None, ge=10, le=31 * 86_400)
    """Without output, progress or other sign of life of its commands: what hangs is ended, what is slow is not."""


BlobRef = Annotated[str, StringConstraints(pattern=TEXT)]
"""A blob's id, as the API writes it: a decimal string."""
BLOB_OR_PATH = Field(json_schema_extra={"x-blob": True})
"""Tells forms that a file may be uploaded for this text, which may also be a path on shared storage."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


def is_blob(text: str) -> bool:
    """A blob's id, where a path may stand too."""
    return re.fullmatch(TEXT, text) is not None


def is_path(text: str) -> bool:
    """An absolute path, of Unix or Windows."""
    return _ABSOLUTE.fullmatch(text) is not None and "\0" not in text


def _path(text: str) -> str:
    if not is_path(text):
        raise ValueError("must be an absolute path on shared storage")
    return text


def _storage_path(text: str) -> str:
    if not is_storage_path(text):
        raise ValueError("must be an absolute path on shared storage")
    return text


def is_storage_path(text: str) -> bool:
    """A path, or one that begins with a variable of the farm: `{shots}/a.blend`."""
    return is_path(text) or re.fullmatch(r"\{[^{}\0]{1,100}\}([/\\][^\0]*)?", text) is not None


def _file_name(text: str) -> str:
    """What the worker would refuse is refused here, before anything runs."""
    if not text or len(text) > 200 or "\\" in text or not text.isprintable():
        raise ValueError(f"{text[:60]!r} is no file name: 1 to 200 printable characters, folders with /")
    if text.startswith(("/", "~")) or re.match(r"[A-Za-z]:", text):
        raise ValueError(f"{text!r} must be relative")
    if any(part in ("", ".", "..") for part in text.split("/")):
        raise ValueError(f"{text!r} must not contain '.', '..' or empty parts")
    return text


def _no_pattern(text: str) -> str:
    if any(sign in text for sign in "*?["):
        raise ValueError(f"{text!r} must name one file, without *, ? and [")
    return text


def _frames(text: str) -> str:
    parse_frames(text)
    return text


SharedPath = Annotated[str, AfterValidator(_path)]
StoragePath = Annotated[str, AfterValidator(_storage_path)]
"""The same, for commands that only workers get for whom variables are filled in."""
FileName = Annotated[str, AfterValidator(_file_name), AfterValidator(_no_pattern)]
"""A file in a task's folder: relative, with `/` between its parts."""
Pattern = Annotated[str, AfterValidator(_file_name)]
"""File names with `*`, `?`, `[…]` within a part, and `**` for any number of parts."""
FramesText = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_frames)]
"""Frames as people write them (`frame_ranges`)."""


def blob_id(reference: str) -> int:
    """The number in a reference; 0, which no blob has, for one that cannot exist."""
    number = int(reference)
    return number if number <= LARGEST else 0


def manifest_of(reference: str | None) -> dict[str, BlobId]:
    """What must be stored for the setting `manifest`."""
    return {} if reference is None else {"settings.manifest": ManifestId(blob_id(reference))}
