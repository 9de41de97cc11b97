"""The line that says why: found in logs of any length, by what it says, with what stands around it."""

from __future__ import annotations

import tracemalloc

import pytest

from chalicelib.core import log_search, logs
from chalicelib.core.errors import NotFound
from chalicelib.core.model import Task
from tests.core.conftest import Bench

BLENDER = """\
Blender 3.4.1
Read blend: /shots/a.blend
Warning: property 'fps' not found, ignored
Fra:1 Mem:20.1M | Rendering 1 / 64 samples
Traceback (most recent call last):
  File "<string>", line 3, in <module>
  File "/usr/share/blender/rig.py", line 88, in pose
    bone = bones[name]
KeyError: 'bpy_prop_collection[key]: key "spine.004" not found'
Blender quit
failed: blender exited with 1
"""
FFMPEG = """\
frame=  100 fps= 25
[in#0] 0 errors, 3 packets dropped
out.mp4: No such file or directory
Conversion failed!
frame=  101 fps= 25
failed: ffmpeg exited with 1
"""
ARNOLD = """\
00:00:01 |  log started
00:00:02 WARNING | rlm license checkout retried
00:00:09 ERROR   | [texturesys] cannot open "/maps/sky.tx"
00:00:10 |  render done, no errors in shaders
00:00:11 |  releasing resources
"""


def written(bench: Bench, text: str | list[bytes]) -> Task:
    """A task whose log, by one attempt, is this."""
    bench.submit(max_retries=0)
    given = bench.take(bench.worker())
    offset = 0
    for piece in [text.encode()] if isinstance(text, str) else text:
        worker, generation = given.lease.worker, given.lease.generation
        offset = logs.append(bench.farm, given.task, worker, generation, offset, piece)
    return bench.fail(given)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (BLENDER, "KeyError: 'bpy_prop_collection[key]: key \"spine.004\" not found'"),
        (FFMPEG, "Conversion failed!"),
        (ARNOLD, '00:00:09 ERROR   | [texturesys] cannot open "/maps/sky.tx"'),
        ("step 1\nSegmentation fault (core dumped)\nError: cleanup\n", "Segmentation fault (core dumped)"),
        ("exec: starting\nworking\nfailed: sh exited with 3\n", "failed: sh exited with 3"),
        ("make: *** [all] Error 2\n", "make: *** [all] Error 2"),
        ("no newline at the end: out of memory", "no newline at the end: out of memory"),
    ],
)
def test_the_line_that_says_most_is_found(bench: Bench, text: str, line: str) -> None:
    found = log_search.search(bench.farm, written(bench, text), None).found
    assert found is not None and found.text == line
    assert text.split("\n")[found.number - 1] == line and text.encode()[found.offset :].startswith(line.encode())


def test_what_stands_around_it_is_shown(bench: Bench) -> None:
    found = log_search.search(bench.farm, written(bench, BLENDER), None).found
    assert found is not None
    assert found.before[0] == "Blender 3.4.1" and found.before[-1] == "    bone = bones[name]"
    assert found.after[0] == "Blender quit"


@pytest.mark.parametrize("text", ["", "all is well\n", "0 errors, 0 warnings\n" * 50, "failed to ignore: ignored\n"])
def test_a_log_without_such_a_line_has_none(bench: Bench, text: str) -> None:
    searched = log_search.search(bench.farm, written(bench, text), None)
    assert (searched.found, searched.attempt, searched.complete) == (None, 1, True)


def test_each_attempt_has_its_own(bench: Bench) -> None:
    bench.submit()
    worker = bench.worker()
    for word in ("first", "second"):
        given = bench.take(worker)
        text = f"Error: the {word} time\n".encode()
        logs.append(bench.farm, given.task, worker.id, given.lease.generation, 0, text)
        task = bench.fail(given)
    for attempt, word in ((1, "first"), (2, "second"), (None, "second")):
        found = log_search.search(bench.farm, task, attempt).found
        assert found is not None and found.text == f"Error: the {word} time"
    with pytest.raises(NotFound):
        log_search.search(bench.farm, task, 7)


def test_what_has_not_run_has_no_log(bench: Bench) -> None:
    [task] = bench.tasks(bench.submit())
    assert log_search.search(bench.farm, task, None) == log_search.Searched(None, None, 0, True)


def test_a_hundred_megabytes_are_searched_in_the_memory_of_a_few(bench: Bench) -> None:
    if not bench.farm.table.exact:
        pytest.skip("once is enough")
    quiet = b"Fra:12 Mem:233.94M (Peak 234.02M) | Time:00:12.11 | Rendering 12 / 64 samples, all tiles\n"
    chunk = (quiet * (262_144 // len(quiet)))[:262_000]
    chunk = chunk[: chunk.rfind(b"\n") + 1]
    wrong = b"RuntimeError: the cache of the simulation is from another frame\n"
    pieces = [chunk] * 200 + [wrong + chunk[: -len(wrong) - 1] + b"\n"] + [chunk] * 200
    task = written(bench, pieces)
    tracemalloc.start()
    searched = log_search.search(bench.farm, task, None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert searched.size == sum(map(len, pieces)) > 100_000_000
    assert searched.found is not None and searched.found.text == wrong.decode().strip()
    assert searched.found.number == 200 * chunk.count(b"\n") + 1
    assert peak < 16_000_000


def test_a_line_that_spans_pieces_is_one_line(bench: Bench) -> None:
    found = log_search.search(bench.farm, written(bench, [b"fine\nsome Er", b"ror: in two\n", b"rest\n"]), None).found
    assert found is not None and (found.text, found.number) == ("some Error: in two", 2)


def test_a_line_without_end_is_cut(bench: Bench) -> None:
    found = log_search.search(bench.farm, written(bench, [b"x" * 250_000 + b" error "] * 9), None).found
    assert found is not None and len(found.text) <= log_search.LONGEST_LINE
