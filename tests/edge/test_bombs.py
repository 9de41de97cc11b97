"""Compressed bombs: nothing that comes in is unpacked, by the manager or by the worker."""

from __future__ import annotations

import ast
import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.bench.served import Served, served

ROOT = Path(__file__).parents[2]
BOMB = gzip.compress(b"\0" * (200 * 1024 * 1024), compresslevel=9)
UNPACKING = {"extract", "extractall", "decompress", "decompressobj", "unpack_archive", "GzipFile"}
MORE_MB = 100


def test_no_code_of_ours_unpacks_anything() -> None:
    """Who needs it must bring limits, and a test that meets a bomb."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("chalicelib", "worker/millrace")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in UNPACKING
    ]
    assert found == []


@pytest.fixture(scope="module")
def farm() -> Iterator[Served]:
    with served() as one:
        yield one


def test_a_body_that_says_it_is_compressed_is_taken_as_the_bytes_it_is(farm: Served) -> None:
    before = farm.memory_bytes()
    packed = {"Content-Encoding": "gzip"}
    refused = requests.post(f"{farm.url}/api/v1/jobs", data=BOMB, headers=packed, timeout=60)
    assert refused.status_code == 400
    kept = requests.post(f"{farm.url}/data", files={"file": ("bomb.gz", BOMB)}, headers=packed, timeout=60).json()
    assert kept["checksum"] == hashlib.sha256(BOMB).hexdigest()
    back = requests.get(f"{farm.url}/data/{kept['id']}/blob", timeout=60)
    assert "Content-Encoding" not in back.headers and back.content == BOMB
    assert farm.memory_bytes() - before < MORE_MB * 1e6
