"""What the rounds themselves stand on: whom the proxy serves, who dies when, what is told of a round that breaks."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.chaos import __main__ as chaos
from tests.chaos import clocks, disks, hosts, unwell_server
from tests.chaos import round as rounds
from tests.chaos.__main__ import INTERRUPTED
from tests.chaos.proxy import Proxy, is_ours
from tests.chaos.round import Outcome
from tests.chaos.simulated_server import TrueClock
from tests.together.ensemble import ROOT
from tests.worker.processes import until


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        *(("127.0.0.1", True), ("127.9.9.9", True), ("10.213.0.2", True), ("10.213.255.254", True)),
        *(("10.214.0.2", False), ("192.168.1.7", False), ("8.8.8.8", False)),
    ],
)
def test_only_this_machine_and_its_hosts_are_served(address: str, ours: bool) -> None:
    assert is_ours(address) == ours


def test_a_stranger_gets_no_answer_of_the_proxy() -> None:
    """The farm behind it would take the request for one from this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            route.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address = route.getsockname()[0]
    if is_ours(address):
        pytest.skip("this machine has no address but loopback")
    proxy = Proxy("http://127.0.0.1:9", random.Random(1))
    proxy.start()
    try:
        stranger = http.client.HTTPConnection(address, proxy.port, timeout=10)
        with pytest.raises((OSError, http.client.HTTPException)):
            stranger.request("GET", "/")
            stranger.getresponse()
        assert proxy.history == []
        neighbour = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
        with pytest.raises((OSError, http.client.HTTPException)):
            neighbour.request("GET", "/")  # passed on; there is no farm
            neighbour.getresponse()
        assert len(proxy.history) == 1
    finally:
        proxy.stop()


def test_a_round_that_breaks_is_told_with_its_seed_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(seed: int, folder: Path) -> Outcome:
        folder.mkdir(parents=True)
        (folder / "server.log").write_text("its last words")
        if seed == 7:
            raise TimeoutError("no ready server")
        return Outcome(seed, [], 1, 0, 1, Counter(), Counter())

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(chaos, "play", play)
    monkeypatch.setattr(sys, "argv", ["chaos", "--rounds", "3", "--seed", "6"])
    assert chaos.main() == 1
    said = capsys.readouterr().out
    assert "seed 7: 1 found" in said and "no ready server" in said
    assert "2 passed, 1 failed" in said and "seeds [7]" in said
    folder = Path(said.strip().rpartition(" ")[2])
    assert (folder / "7" / "server.log").exists() and not (folder / "6").exists()


PLAYS = """
import sys, time
from collections import Counter
from tests.chaos import __main__ as chaos
from tests.chaos.round import Outcome

def play(seed, folder):
    folder.mkdir(parents=True)
    (folder / "server.log").touch()
    if seed == 1:
        return Outcome(1, [], 5, 0, 1, Counter(), Counter())
    if seed == 2:
        raise TimeoutError("no ready server")
    print("playing", seed, flush=True)
    time.sleep(600)

chaos.play = play
sys.exit(chaos.main())
"""


def test_who_interrupts_is_told_what_was_played_and_which_seeds_broke(tmp_path: Path) -> None:
    chaos = Started(tmp_path, "-c", PLAYS, "--rounds", "9", "--at-once", "1")
    until(lambda: "playing 3" in chaos.output, "the third round", 90)
    assert chaos.interrupted() == INTERRUPTED
    assert "interrupted; 7 rounds were not played to their end" in chaos.output
    assert "2 rounds in" in chaos.output and "1 passed, 1 failed" in chaos.output
    folder = Path(chaos.output.strip().rpartition(" ")[2])
    assert "seeds [2]" in chaos.output and [each.name for each in folder.iterdir()] == ["2"]


@pytest.mark.needs("flock")
def test_of_an_interrupted_round_nothing_is_left(tmp_path: Path) -> None:
    """Nor of its hosts, its disk and its table's service."""
    chaos = Started(tmp_path, "-m", "tests.chaos", "--rounds", "2", "--at-once", "1", "--seed", "123")
    until(lambda: any(tmp_path.glob("millrace-chaos-*/123/worker1.log")), "a round", 120)
    assert chaos.interrupted() == INTERRUPTED
    assert "were not played to their end" in chaos.output and ", 0 failed" in chaos.output
    until(lambda: not _mentioning(str(tmp_path)), "the end of all processes", 60)
    assert f"mr{chaos.process.pid}-" not in hosts._said("netns", "list")
    assert not any(tmp_path.glob("millrace-chaos-*"))


def test_hosts_of_a_process_that_is_gone_are_removed_and_no_others(tmp_path: Path) -> None:
    mine = hosts.made()
    if mine is None:
        pytest.skip("this machine makes no network namespaces")
    program = "import time; from tests.chaos import hosts; h = hosts.made(); print(h.name, h.cable, flush=True)"
    killed = Started(tmp_path, "-c", f"{program}; time.sleep(600)")
    try:
        until(lambda: len(killed.output.split()) == 2, "another host", 90)
        name, cable = killed.output.split()
        assert not {name, cable} & {*hosts.remove_leftovers()}
        inside = subprocess.Popen(["ip", "netns", "exec", name, "sleep", "600"])
        until(lambda: hosts._said("netns", "pids", name).split() == [str(inside.pid)], "a process in there", 60)
        killed.process.kill()
        killed.process.wait()
        assert name in hosts.remove_leftovers()
        assert inside.wait(60) == -signal.SIGKILL
        listed = hosts._said("netns", "list") + hosts._said("-o", "link", "show")
        assert name not in listed and f"{cable}@" not in listed
        assert mine.name in listed and f"{mine.cable}@" in listed
    finally:
        killed.process.kill()
        mine.remove()


class Started:
    """Python with these arguments, its own temporary folder and its own log."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._log = folder / "said"
        environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": f"{ROOT}:{ROOT / 'worker'}"}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=log)

    @property
    def output(self) -> str:
        return self._log.read_text()

    def interrupted(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


def _mentioning(text: str) -> list[int]:
    """Processes that have this in their command line."""
    found = psutil.process_iter(["pid", "cmdline"])
    return [one.pid for one in found if any(text in word for word in one.info["cmdline"] or ())]


def test_the_history_of_a_round_that_breaks_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(folder: Path) -> None:
        raise RuntimeError("half way")

    monkeypatch.setattr(rounds, "_weather", breaks)
    with pytest.raises(RuntimeError, match="half way"):
        rounds.play(101, tmp_path / "round", faults=0)
    assert (tmp_path / "round" / "history.jsonl").exists()


def test_an_order_to_die_is_carried_out_once_and_only_while_it_stands(tmp_path: Path) -> None:
    """Calls count it down together; the round may withdraw it at any moment."""
    order = tmp_path / unwell_server.DIE_AFTER
    clocks.put_wrong(order, 40)
    counted = unwell_server.mortal(lambda: None, order)
    ended: list[int] = []
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(8) as pool:
        patch.setattr(unwell_server.os, "_exit", ended.append)
        list(pool.map(lambda _: counted(), range(39)))
        assert ended == [] and order.read_text() == "1"
        list(pool.map(lambda _: counted(), range(39)))
    assert ended == [137] and not order.exists()
    clocks.put_wrong(order, 40)
    with order.open("r+"):
        order.unlink()
        assert unwell_server._count_down(order) is None
    assert not order.exists()


def test_a_host_has_a_number_that_no_other_process_has(tmp_path: Path) -> None:
    first, claim = hosts.claimed(tmp_path)
    second, other = hosts.claimed(tmp_path)
    assert (first, second) == (0, 1)
    claim.close()
    again, claim = hosts.claimed(tmp_path)
    assert again == 0
    for file in (claim, other):
        file.close()
    gateways = {hosts.Host(number, claim).gateway for number in range(hosts.MOST_HOSTS)}
    assert len(gateways) == hosts.MOST_HOSTS


def test_without_chattr_no_file_is_made_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "file").touch()
    with disks.read_only([tmp_path / "file"]) as done:
        assert not done


def test_a_clock_that_is_put_wrong_is_not_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, before = TrueClock(), TrueClock().now()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert clock.now() >= before
