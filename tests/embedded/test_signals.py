"""Whoever tells a server or a worker to end is heard, whatever the main thread does at that moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVER = """
import os, threading
from chalicelib.embedded.signals import stop_signal
stop = stop_signal()
threading.Thread(target=lambda: (stop.wait(), os._exit(7))).start()
"""
WORKER = """
import os, sys
from millrace.signals import on_each_stop_signal
on_each_stop_signal(lambda: os._exit(7))
"""
DEAF = """
import hashlib
print("ready", flush=True)
hashlib.pbkdf2_hmac("sha256", b"", b"", 400_000_000)  # minutes, in which no handler in Python can run
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("program", [SERVER, WORKER])
def test_a_signal_is_heard_while_the_main_thread_hears_nothing(program: str, number: int) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'worker'}"}
    with subprocess.Popen(
        [sys.executable, "-c", program + DEAF], stdout=subprocess.PIPE, env=environment, cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            process.send_signal(number)
            assert process.wait(20) == 7
        finally:
            process.kill()
