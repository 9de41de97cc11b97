"""The line of an attempt's log that likely says why it failed, with what stands around it.

The log is read once, in blocks, however long it is: only the place of the best line so far is kept. Of two lines that
say equally much the later one counts, since programs go on past what does no harm. What a line says is ranked: the last
line of a traceback, then what is fatal, then errors, then what could not be done; the worker's own words come last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from . import logs
from .farm import Farm
from .model import Task

BLOCK_BYTES = 1 << 20
BEFORE_LINES, AFTER_LINES = 10, 5
AROUND_BYTES = 16_384
"""Read on each side of the line for what stands around it."""
LONGEST_LINE = 2_000
"""Characters of one that are shown."""
LOOKED_AT = 1_000
"""Bytes of each end of a line."""
SECONDS = 20.0
"""A call that takes longer says how far it came."""

_WORDS = tuple(
    b"error exception fatal panic fault abort memory bad_alloc oom killed dumped uncaught unhandled interrupt".split()
    + b"fail cannot can't denied licen exit nonzero non-zero".split()
    + [b"could not", b"unable to", b"not found", b"no such"]
)
"""One of them is in each line that has a rank: blocks without any are passed over."""
_HARMLESS = re.compile(rb"\b(?:no|0|without)\s+(?:\w+\s+)?errors?\b|errors?\s*[:=]\s*0\b|ignor(?:e|ed|ing)\b")
_RANKS: tuple[tuple[int, re.Pattern[bytes]], ...] = (
    (6, re.compile(rb"^(?:[\w.]{1,200}\.)?\w{1,80}(?:error|exception|exit|interrupt)(?::|$)")),
    (5, re.compile(rb"\b(?:fatal|panic|segmentation fault|segfault|core dumped|out of memory|bad_alloc|oom)\b")),
    (5, re.compile(rb"\b(?:uncaught|unhandled)\b|^exception in |\babort(?:ed|ing)?\b|\bkilled\b")),
    (4, re.compile(rb"\berrors?\b|\bexception\b|\w{1,80}error\b")),
    (
        3,
        re.compile(
            rb"\bfail(?:ed|ure|s)?\b|\bcannot\b|\bcan't\b|\bcould not\b|\bunable to\b|\bdenied\b|\blicen[cs]e\b"
        ),
    ),
    (3, re.compile(rb"\bnot found\b|\bno such\b|\bnon-?zero\b|\bexit(?:ed)?(?: with)?(?: code| status)? [1-9]")),
)
_OURS = re.compile(rb"^(?:failed(?: in the worker)?:|[a-z_]+: (?:starting$|done in ))")
"""What the worker says itself: rank 1."""


@dataclass(frozen=True)
class Found:
    text: str
    number: int
    """From 1."""
    offset: int
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Searched:
    found: Found | None
    attempt: int | None
    """None: nothing has run."""
    size: int
    """Bytes looked at."""
    complete: bool
    """False: the time was over before the end."""


def search(farm: Farm, task: Task, attempt: int | None) -> Searched:
    """In the log of that attempt, of the newest if none is named. Raises NotFound for one that there is not."""
    number = attempt or logs.newest_attempt(task)
    if number is None:
        return Searched(None, None, 0, True)
    ends_at = farm.clock.now() + int(SECONDS * 1000)
    rank, place, size, lines, complete = 0, None, 0, 0, True
    for block in _blocks(logs.stream(farm, task, number)):
        for found, at in _ranked(block):
            if found >= rank:
                rank, place = found, (size + at, lines + block.count(b"\n", 0, at) + 1)
        size, lines = size + len(block), lines + block.count(b"\n")
        if farm.clock.now() > ends_at:
            complete = False
            break
    found_line = None if place is None else _around(farm, task, number, *place)
    return Searched(found_line, number, size, complete)


def rank(line: bytes) -> int:
    """How much it says about a failure; 0: nothing. `line` is in lower case."""
    if _OURS.search(line):
        return 1 if line.startswith(b"failed") else 0
    if _HARMLESS.search(line):
        return 0
    return next((found for found, pattern in _RANKS if pattern.search(line)), 0)


def _ranked(block: bytes) -> Iterator[tuple[int, int]]:
    """Rank and place of each line that has one."""
    lowered = block.lower()
    if not any(word in lowered for word in _WORDS):
        return
    at = 0
    for line in lowered.split(b"\n"):
        if any(word in line for word in _WORDS) and (found := rank(_ends(line))):
            yield found, at
        at += len(line) + 1


def _ends(line: bytes) -> bytes:
    """What is looked at of a long line: patterns would take hours for a megabyte without a space."""
    shown = line if len(line) <= 2 * LOOKED_AT else line[:LOOKED_AT] + b" " + line[-LOOKED_AT:]
    return shown.strip()


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Of whole lines, but for one that is longer than a block."""
    rest = b""
    for piece in pieces:
        rest += piece
        if len(rest) >= BLOCK_BYTES:
            end = rest.rfind(b"\n") + 1 or len(rest)
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _around(farm: Farm, task: Task, attempt: int, offset: int, number: int) -> Found:
    start = max(0, offset - AROUND_BYTES)
    data = logs.read(farm, task, attempt, start).data[: offset - start + AROUND_BYTES]
    before = data[: offset - start].split(b"\n")[:-1]
    line, *after = data[offset - start :].split(b"\n")
    if start > 0:
        before = before[1:]  # begun before what was read
    shown = [_shown(one) for one in after[:AFTER_LINES]]
    return Found(_shown(line), number, offset, tuple(map(_shown, before[-BEFORE_LINES:])), tuple(shown))


def _shown(line: bytes) -> str:
    return line[: LONGEST_LINE * 4].decode("utf-8", "replace").rstrip("\r")[:LONGEST_LINE]
