"""How busy the machine is, as the worker tells the farm."""

from __future__ import annotations

import re
import time

from millrace.agent.load import Load


def test_a_share_is_what_happened_since_the_look_before() -> None:
    looks = iter([(10.0, 100.0), (13.0, 104.0), (13.0, 104.01), (13.0, 108.0)])
    load = Load(lambda: next(looks), lambda: 0.412)
    assert load.text() == "cpu=75, memory=41"
    assert load.text() == "cpu=75, memory=41"  # two looks at once: the one before still counts
    assert load.text() == "cpu=0, memory=41"


def test_a_machine_that_does_not_tell_is_not_guessed_about() -> None:
    assert Load(lambda: None, lambda: 0.5).text() is None
    assert Load(iter([(1.0, 1.0), (2.0, 2.0)]).__next__, lambda: None).text() is None


def test_this_machine_tells() -> None:
    load = Load()
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        pass
    told = re.fullmatch(r"cpu=([0-9]+), memory=([0-9]+)", load.text() or "")
    assert told is not None and 0 < int(told[1]) <= 100 and 0 < int(told[2]) <= 100
