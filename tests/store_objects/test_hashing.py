"""The digest that is computed beside the writing is that of the bytes, whatever their pieces."""

from __future__ import annotations

import hashlib
import random
import threading

import pytest

from chalicelib.store.hashing import WORTH_A_THREAD_BYTES, StreamDigest

AROUND = (0, 1, WORTH_A_THREAD_BYTES - 1, WORTH_A_THREAD_BYTES, WORTH_A_THREAD_BYTES + 1, 3 * WORTH_A_THREAD_BYTES + 7)


@pytest.mark.parametrize("size", AROUND)
@pytest.mark.parametrize("piece", [64 * 1024, 1024 * 1024 + 1])
def test_it_is_the_digest_of_all_the_bytes_in_order(size: int, piece: int) -> None:
    data = random.Random(size).randbytes(size)
    with StreamDigest() as digest:
        for start in range(0, size, piece):
            digest.update(data[start : start + piece])
        assert digest.hexdigest() == hashlib.sha256(data).hexdigest()


def test_an_upload_that_breaks_off_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="cut"), StreamDigest() as digest:
        digest.update(bytes(2 * WORTH_A_THREAD_BYTES))
        assert set(threading.enumerate()) != before
        raise OSError("the connection was cut")
    assert set(threading.enumerate()) == before
