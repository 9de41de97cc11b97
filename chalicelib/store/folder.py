"""Where the folder engine keeps each key, and how it reads them back in the order S3 would list them.

    blobs/<sha256>         ->  blobs/+3f/=3f2a...      (names that are digests stand in 256 folders)
    logs/<task>/1/0        ->  logs/<task>/1/=0

A file's name starts with `=`, a digest folder's with `+`, and every other odd character is percent-encoded. So `a` and
`a/b` can both exist, as in S3, and nothing in a key can name our own folders (`.incoming`) or leave the root.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

_DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_NAME_BYTES = 250


def relative_path(key: str) -> str:
    """The file of a checked key, relative to the root. Raises ValueError when a segment is too long for a file name."""
    *folders, leaf = (_encoded(segment) for segment in key.split("/"))
    if _DIGEST.fullmatch(leaf):
        folders.append(f"+{leaf[:2]}")
    return "/".join([*folders, f"={leaf}"])


def keys_in_order(root: Path, *, prefix: str, after: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Keys with their files, in byte order of the key, only those that start with `prefix` and come after `after`."""
    for node in _walk(root, "", prefix=prefix, after=after):
        if node.key.startswith(prefix) and node.key > after:
            yield node.key, node.entry


class _Node(NamedTuple):
    key: str
    """The whole key of a file; of a folder what all keys below it start with."""
    is_file: bool
    entry: os.DirEntry[str]


def _walk(folder: Path | str, start: str, *, prefix: str, after: str) -> Iterator[_Node]:
    nodes = [node for node in _children(folder, start) if _may_hold(node, prefix, after)]
    for node in sorted(_without_overlap(nodes, start)):
        if node.is_file:
            yield node
        else:
            # What all keys below a digest folder start with is not a folder of the key itself.
            below = start if node.entry.name.startswith("+") else node.key
            yield from _walk(node.entry.path, below, prefix=prefix, after=after)


def _children(folder: Path | str, start: str) -> Iterator[_Node]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return  # pruned since its parent was read
    for entry in entries:
        mark, name = entry.name[0], entry.name
        if mark == "=" and entry.is_file(follow_symlinks=False):
            yield _Node(start + unquote(name[1:]), True, entry)
        elif mark not in "=." and entry.is_dir(follow_symlinks=False):
            yield _Node(start + (name[1:] if mark == "+" else unquote(name) + "/"), False, entry)


def _may_hold(node: _Node, prefix: str, after: str) -> bool:
    if node.is_file:
        return True
    on_the_way = node.key.startswith(prefix) or prefix.startswith(node.key)
    return on_the_way and (node.key > after or after.startswith(node.key))


def _without_overlap(nodes: list[_Node], start: str) -> list[_Node]:
    """A digest folder is opened here and now if a neighbour sorts into its middle; otherwise it stays closed."""
    result: list[_Node] = []
    for node in nodes:
        is_shard = not node.is_file and node.entry.name.startswith("+")
        if is_shard and any(other is not node and other.key.startswith(node.key) for other in nodes):
            result.extend(_children(node.entry.path, start))
        else:
            result.append(node)
    return result


def _encoded(segment: str) -> str:
    name = quote(segment, safe="")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > MAX_NAME_BYTES:
        raise ValueError(f"a part of an object key is too long for a file name: {segment[:40]!r}...")
    return name
