"""Several processes on one file, and processes that die in the middle of a write."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

from chalicelib.core.ports import Add, ConditionFailed, Equals, Key, Put, Set, Update
from chalicelib.store.sqlite import SqliteTable
from tests.store.engines import INDEXES, claim_first, put_task

COUNTER = Key("COUNTER", "-")
ROOT = Path(__file__).parents[2]


def increment(path: Path, times: int) -> None:
    """Read, then write on the condition that nobody wrote between; again if somebody did."""
    table = SqliteTable(path, INDEXES)
    while times:
        item = table.get(COUNTER)
        assert item is not None
        try:
            table.update(Update(COUNTER, (Set("n", item["n"] + 1),), when=(Equals("n", item["n"]),)))
            times -= 1
        except ConditionFailed:
            pass
    table.close()


def take_all(path: Path) -> list[str]:
    table = SqliteTable(path, INDEXES)
    mine = []
    while (item := table.take("ready", ["A"], claim_first).item) is not None:
        mine.append(item["pk"])
    table.close()
    return mine


def test_conditional_increments_of_four_processes_all_count(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    table = SqliteTable(path, INDEXES)
    table.write(Put({"pk": "COUNTER", "sk": "-", "n": 0}))
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.starmap(increment, [(path, 100)] * 4)
    assert table.get(COUNTER) == {"pk": "COUNTER", "sk": "-", "n": 400}
    table.close()


def test_four_processes_take_each_task_once(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    table = SqliteTable(path, INDEXES)
    table.write_many([[put_task(f"{number:03}")] for number in range(200)])
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        taken = [pk for mine in pool.map(take_all, [path] * 4) for pk in mine]
    assert sorted(taken) == [f"TASK#{number:03}" for number in range(200)]
    table.close()


WRITER = """
import sys, threading
from chalicelib.core.ports import Add, Key, Put, Update
from chalicelib.store.sqlite import SqliteTable

table = SqliteTable(sys.argv[1], {"ready": (), "lease": ()})
say = threading.Lock()

def write(thread):
    for number in range(1_000_000):
        name = f"{sys.argv[2]}-{thread}-{number}"
        table.write(
            Put({"pk": "ITEM", "sk": name, "status": "queued", "ready_pk": "A", "ready_sk": name}),
            Put({"pk": "TWIN", "sk": name}),
            Update(Key("SUM", f"{thread}"), (Add("n", 1),)),
        )
        with say:
            print(name, flush=True)

for thread in range(4):
    threading.Thread(target=write, args=(thread,)).start()
"""


def written_before_the_kill(path: Path, round_number: int, lines: int) -> list[str]:
    """A process writes and says so; after some lines it is killed with SIGKILL, wherever it is."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(round_number)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert writer.stdout is not None
    heard = [writer.stdout.readline() for _ in range(lines)]
    writer.send_signal(signal.SIGKILL)
    heard += writer.stdout.readlines()
    writer.stdout.close()
    assert writer.wait() == -signal.SIGKILL
    return [line.strip() for line in heard if line.endswith("\n")]


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "farm.db"
    acknowledged: set[str] = set()
    for round_number, lines in enumerate((1, 40, 133)):
        acknowledged |= set(written_before_the_kill(path, round_number, lines))
    assert len(acknowledged) >= 174

    table = SqliteTable(path, INDEXES)
    items = {item["sk"] for item in table.query("ITEM", limit=100_000).items}
    assert acknowledged <= items
    # All or nothing also for what was not acknowledged: both halves, the sum, the index and the change log agree.
    assert items == {item["sk"] for item in table.query("TWIN", limit=100_000).items}
    assert len(items) == sum(item["n"] for item in table.query("SUM").items)
    assert items == {item["sk"] for item in table.query("A", index="ready", limit=100_000).items}
    assert items == {change.sk for change in table.changes_after(0, 100_000)}
    table.update(Update(COUNTER, (Add("n", 1),)))
    table.close()
