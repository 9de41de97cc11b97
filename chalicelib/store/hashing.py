"""The SHA-256 of a stream, computed beside whoever writes it: on a second core, once there is enough to be worth it.

hashlib lets other threads run while it computes, so a large upload takes as long as the slower of the disk and the
digest, and not as both together. Small ones never start a thread. No file, no state: what dies, dies with the upload.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from types import TracebackType

WORTH_A_THREAD_BYTES = 4 * 1024 * 1024
PIECE_BYTES = 1024 * 1024
MOST_PENDING = 8
"""Pieces: what memory this may take."""


class StreamDigest:
    """`with StreamDigest() as digest: digest.update(piece) ...; digest.hexdigest()`, from one thread, once."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._size = 0
        self._pieces: list[bytes] = []
        self._held = 0
        self._pending: queue.Queue[list[bytes] | None] = queue.Queue(MOST_PENDING)
        self._thread: threading.Thread | None = None

    def update(self, data: bytes) -> None:
        self._size += len(data)
        if self._size < WORTH_A_THREAD_BYTES:
            self._digest.update(data)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._compute, name="digest", daemon=True)
            self._thread.start()
        self._pieces.append(data)
        self._held += len(data)
        if self._held >= PIECE_BYTES:
            self._hand_over()

    def hexdigest(self) -> str:
        self._finish()
        return self._digest.hexdigest()

    def _hand_over(self) -> None:
        self._pending.put(self._pieces)
        self._pieces, self._held = [], 0

    def _compute(self) -> None:
        while (pieces := self._pending.get()) is not None:
            for piece in pieces:
                self._digest.update(piece)

    def _finish(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._hand_over()
            self._pending.put(None)
            thread.join()

    def __enter__(self) -> StreamDigest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish()
