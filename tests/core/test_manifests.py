"""Which paths a manifest may hold, for manager and worker alike; and what is said about one that is not complete."""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from chalicelib.core import file_paths, manifests, workers
from chalicelib.core.errors import NotFound
from millrace.files import manifest as of_worker
from millrace.files import paths as paths_of_worker
from tests.api.bench import Bench
from tests.api.conftest import bench as bench  # the served farm

BAD_PATHS = {
    "": "1 to 1024",
    "/etc/passwd": "relative",
    "~/x": "relative",
    "../up": "'..'",
    "a/../b": "'..'",
    "a//b": "empty parts",
    "a/./b": "'.'",
    "a/": "empty parts",
    "C:/x": "':'",
    "a:stream": "':'",
    "a\\b": "'\\\\'",
    "nul\0": "'\\x00'",
    "line\nbreak": "'\\n'",
    "NUL": "device",
    "maps/con.png": "device",
    "com1.tar.gz": "device",
    "LPT9": "device",
    "aux .txt": "device",
    "dot.": "drops",
    "space /x": "drops",
    "\ud800": "Unicode",
    "x" * 256: "255 bytes",
}
GOOD_PATHS = ["a", "a b/c.d", "ü/日本.exr", ".hidden", "console.txt", "com10", "x" * 255, "..a/b"]
CLASHES = [["a", "a"], ["A.png", "a.png"], ["maps/a", "Maps/b"], ["é", "e\u0301"], ["a", "a/b"], ["a/b", "A"]]

both_sides = pytest.mark.parametrize("side", [file_paths, paths_of_worker], ids=["manager", "worker"])


@both_sides
@pytest.mark.parametrize("path", BAD_PATHS, ids=ascii)
def test_paths_that_could_go_wrong_are_refused_with_the_reason(side: Any, path: str) -> None:
    assert BAD_PATHS[path] in (side.wrong_with(path) or "")


@both_sides
@pytest.mark.parametrize("path", GOOD_PATHS, ids=ascii)
def test_other_paths_are_let_through(side: Any, path: str) -> None:
    assert side.wrong_with(path) is None


@both_sides
@pytest.mark.parametrize("paths", CLASHES, ids=ascii)
def test_two_paths_that_meet_on_some_file_system_are_found(side: Any, paths: list[str]) -> None:
    clashes: Callable[[Iterable[str]], tuple[str, str] | None] = side.clashes
    assert clashes(paths) is not None and clashes(["b/c", "b/d", "e"]) is None


def listed(*files: list[Any], objects: list[list[Any]] | None = None) -> bytes:
    return json.dumps({"version": 1, "objects": objects or [], "files": files}).encode()


DIGEST = "ab" * 32


@pytest.mark.parametrize("parse", [manifests.parsed, of_worker.parse_manifest], ids=["manager", "worker"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"version": 2, "objects": [], "files": []}',
        listed(["../x", DIGEST, 0, 0, 0]),
        listed(["x", "AB" * 32, 0, 0, 0]),
        listed(["x", DIGEST, -1, 0, 0]),
        listed(["x", DIGEST, 1, 0, 0]),
        listed(["x", DIGEST, 2, 0, 9], objects=[[DIGEST, 10]]),
        listed(["x", DIGEST, 0, 7, 0]),
        listed(["x", DIGEST, 0, 0, 0], ["X", DIGEST, 0, 0, 0]),
        listed(["x", DIGEST]),
    ],
)
def test_what_is_no_manifest_is_refused(parse: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(ValueError):
        parse(data)


@pytest.mark.parametrize(
    ("first", "offset", "size", "numbers"),
    [(0, 0, 10, [0]), (0, 3, 7, [0]), (0, 3, 8, [0, 1]), (0, 0, 30, [0, 1, 2]), (1, 0, 10, [1]), (2, 0, 0, [])],
)
def test_a_file_goes_on_through_the_objects_after_its_first(
    first: int, offset: int, size: int, numbers: list[int]
) -> None:
    data = listed(["x", DIGEST, size, first, offset], objects=[[letter * 64, 10] for letter in "abc"])
    one, other = manifests.parsed(data), of_worker.parse_manifest(data)
    assert list(one.objects_of(one.files[0])) == list(other.objects_of(other.files[0])) == numbers


def stored(bench: Bench, data: bytes) -> list[Any]:
    sha256 = hashlib.sha256(data).hexdigest()
    bench.farm.objects.put(f"blobs/{sha256}", data)
    return [sha256, len(data)]


def submitted(bench: Bench, manifest: bytes) -> Any:
    made = bench.post("/blobs", {"size": len(manifest), "sha256": hashlib.sha256(manifest).hexdigest()})
    stored(bench, manifest)
    settings = {"frames": "1", "command": ["true", "{frame}"], "manifest": made["id"]}
    return bench.call("POST", "/jobs", {"name": "j", "type": "frames", "settings": settings})


def test_a_job_whose_files_are_not_all_there_is_refused_and_they_are_named(bench: Bench) -> None:
    there, gone = stored(bench, b"there"), ["cd" * 32, 4]
    files = [["a.png", there[0], 5, 0, 0], ["maps/b.png", DIGEST, 2, 1, 0], ["maps/c.png", DIGEST, 2, 1, 2]]
    answer = submitted(bench, listed(*files, objects=[there, gone]))
    assert answer.status == 400
    assert answer.json["detail"].endswith("2 of 3 files are not stored: maps/b.png, maps/c.png")
    bench.farm.objects.put(f"blobs/{gone[0]}", b"1234")
    assert submitted(bench, listed(*files, objects=[there, gone])).status == 201


def test_a_manifest_with_a_bad_path_is_refused_at_the_door(bench: Bench) -> None:
    answer = submitted(bench, listed(["../../etc/cron.d/x", DIGEST, 0, 0, 0]))
    assert answer.status == 400 and "'../../etc/cron.d/x' must not contain '.', '..'" in answer.json["detail"]


def whole_ones_in_memory() -> int:
    gc.collect()
    return sum(type(one) is manifests.Manifest for one in gc.get_objects())


def test_of_many_manifests_one_is_kept_whole_and_of_what_workers_ask_the_digests(bench: Bench) -> None:
    """A large one takes 40 MB, and a function on AWS has 512."""
    description = workers.Description("w", task_types=("exec",))
    worker, _ = workers.register(bench.farm, description, with_secret=False)
    there = stored(bench, b"there")
    for number in range(4):
        assert submitted(bench, listed([f"{number}.png", there[0], 5, 0, 0], objects=[there])).status == 201
    assert whole_ones_in_memory() <= 1
    reads: list[str] = []
    get = bench.farm.objects.get
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bench.farm.objects, "get", lambda key: reads.append(key) or get(key))
        for _ in range(4):
            given = bench.take(worker)
            [manifest] = [one.blob for one in given.task.work.inputs]
            for _ in range(3):
                mine = (worker.id, given.task.id, given.lease.generation)
                [signed] = manifests.sign(bench.farm, *mine, manifest, [there[0]])
                assert there[0] in signed.url
                with pytest.raises(NotFound, match="has no object"):
                    manifests.sign(bench.farm, *mine, manifest, [DIGEST])
    assert len(reads) == len(set(reads)) <= 4 and whole_ones_in_memory() <= 1


def test_what_is_missing_comes_with_the_request_that_stores_it(bench: Bench) -> None:
    there = stored(bench, b"there")
    contents = [{"sha256": there[0], "size": 5}, *[{"sha256": DIGEST, "size": 7}] * 2]
    [missing] = bench.post("/blobs/missing", {"contents": contents})["missing"]
    assert (missing["sha256"], missing["size"], missing["upload"]["method"]) == (DIGEST, 7, "PUT")
