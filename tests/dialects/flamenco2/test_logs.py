"""What a task's log holds, a new one for each attempt, and how much of it is shown to whom."""

from __future__ import annotations

import re

from chalicelib.edge.hexids import hex_of
from tests.dialects.flamenco2.conftest import Site

ASSIGNED = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}: Manager assigned task ([0-9a-f]{24}) to worker 127\.0\.0\.1 \(node7\)"
)


def test_a_log_begins_with_who_got_the_task(site: Site) -> None:
    site.submit()
    worker = site.worker()
    task = worker.take()
    match = ASSIGNED.fullmatch(site.log(task).strip())
    assert match is not None and match[1] == task["_id"]
    assert site.task(task["_id"]).activity == match[0].partition(": ")[2]


def test_updates_are_appended_with_a_final_newline(site: Site) -> None:
    site.submit()
    worker = site.worker()
    task = worker.take()
    for text in ("one", "", "two\n", "three\nfour", "grün 🌱"):
        worker.says(task, log=text)
    assert site.log(task).splitlines()[1:] == ["one", "two", "three", "four", "grün 🌱"]


def test_each_attempt_has_a_log_of_its_own_and_the_latest_is_shown(site: Site) -> None:
    site.submit()
    worker = site.worker()
    task = worker.take()
    worker.says(task, log="the first time")
    worker.give_back(task)
    shown = site.log(task)
    assert "the first time" in shown
    assert shown.endswith("Re-queued task after unassigning from worker 127.0.0.1 (node7): returned by worker\n")
    worker.take()
    assert "the first time" not in site.log(task)
    worker.says(task, log="the second time")
    assert "the second time" in site.log(task)


def test_the_same_task_again_keeps_its_log(site: Site) -> None:
    site.submit()
    worker = site.worker()
    task = worker.take()
    worker.says(task, log="before the restart")
    worker.take()
    assert "before the restart" in site.log(task)


def test_the_log_of_an_ended_task_still_grows(site: Site) -> None:
    site.submit()
    worker = site.worker()
    task = worker.take()
    worker.says(task, "completed")
    assert worker.says(task, log="a straggler") == 204
    assert site.log(task).endswith("a straggler\n")


def test_of_a_large_log_beginning_and_end_are_shown(site: Site) -> None:
    site.submit()
    worker = site.worker()
    task = worker.take()
    lines = [f"line {number:05d}" for number in range(3000)]
    for start in range(0, 3000, 500):
        worker.says(task, log="\n".join(lines[start : start + 500]))
    whole = site.log(task)
    assert whole.splitlines()[1:] == lines
    assert site.log(task, agent="Wget/1.21") == whole
    short = site.log(task, agent="Mozilla/5.0")
    assert short.startswith(whole[: 5 * 1024])
    note = next(line for line in short.splitlines() if "left out" in line)
    assert "KiB" in note and "wget and curl" in note
    after = short.rpartition(note + "\n")[2]
    assert whole.endswith(after) and after.startswith("line ") and 10 * 1024 - 11 <= len(after) <= 10 * 1024
    left_out = float(note.split()[1])
    assert abs(left_out * 1024 - (len(whole) - 5 * 1024 - len(after))) < 100


def test_a_log_below_15_kib_is_shown_whole(site: Site) -> None:
    site.submit()
    worker = site.worker()
    task = worker.take()
    worker.says(task, log="x" * 15_000)
    assert site.log(task, agent="Mozilla/5.0") == site.log(task)


def test_there_is_no_log_of_what_was_never_begun(site: Site) -> None:
    job = site.submit(2)
    other = site.submit(1)
    worker = site.worker()
    task = worker.take()
    second = hex_of(site.tasks(job)[1].id)
    for path in (f"{task['job']}/{second}", f"{hex_of(other.id)}/{task['_id']}", "x/y", f"{task['job']}/{'f' * 24}"):
        answer = site.get("/logfile/" + path)
        assert answer.status_code == 404 and answer.headers["Content-Type"].startswith("text/plain")


def test_it_is_plain_text_that_no_browser_takes_for_a_page(site: Site) -> None:
    site.submit()
    worker = site.worker()
    task = worker.take()
    worker.says(task, log="<script>alert(1)</script>")
    answer = site.get(f"/logfile/{task['job']}/{task['_id']}")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
