"""What can go wrong with a template before it is a job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

INSTALL = "pip install 'millrace[openjd]'"


def has_sessions() -> bool:
    """Whether this machine can run tasks of templates."""
    return find_spec("openjd") is not None and find_spec("openjd.sessions") is not None


class Refused(Exception):
    """The template, its parameters or the bundle cannot become a job; the message says why."""


@contextmanager
def libraries() -> Iterator[None]:
    """Around the first import of the standard's libraries."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise Refused(f"this needs the package {error.name}: {INSTALL}") from None
