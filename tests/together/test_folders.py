"""A folder of files with a job: sent once, laid out for every task, from the cache where it can be."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from chalicelib.store.folder import relative_path
from millrace.farm import Farm
from millrace.sdk import folders
from millrace.sdk.digests import digest_cache
from millrace.sdk.errors import BadRequest
from tests.together.ensemble import Ensemble
from tests.together.test_command_line import DONE, Shell


@pytest.fixture
def ensemble(found: Callable[..., Ensemble]) -> Ensemble:
    one = found()
    one.worker("one")
    one.worker("two")
    return one


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    root = tmp_path / "scene"
    for number in range(300):
        file = root / "maps" / f"set {number % 5}" / f"{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(200))
    (root / "mesh").write_bytes(os.urandom(400_000))
    (root / "empty").touch()
    return root


def sums(root: Path) -> str:
    names = sorted(f"./{path.relative_to(root).as_posix()}" for path in root.rglob("*") if path.is_file())
    return "".join(f"{hashlib.sha256((root / name).read_bytes()).hexdigest()}  {name}\n" for name in names)


def rendered(farm: Farm, manifest: str, frames: str = "1") -> list[str]:
    """What the folder of the inputs held, for each frame."""
    command = ["sh", "-c", 'find . -type f | LC_ALL=C sort | tr "\\n" "\\0" | xargs -0 sha256sum > "$0"']
    settings = {"frames": frames, "command": [*command, "{output}/list{frame}"], "manifest": manifest}
    job = farm.wait(farm.submit("frames", settings, max_retries=0), timeout=120)
    assert job.status == "completed", job.error
    outputs = sorted(farm.outputs(job), key=lambda output: output.name)
    return [farm._calls.send("GET", f"/blobs/{one.blob}/content", repeatable=True).text for one in outputs]


def test_a_folder_is_laid_out_for_every_task_and_sent_once(ensemble: Ensemble, scene: Path, tmp_path: Path) -> None:
    millrace = Shell(ensemble.server.url)
    line = ["submit", "frames", "--frames", "1-3", "--input-folder", str(scene), "--to", "out", "--"]
    command = ["sh", "-c", 'cat maps/*/7.bin mesh | sha256sum > "$0"', "{output}/sum{frame}"]
    done = millrace.run(*line, *command, folder=tmp_path)
    assert done.returncode == DONE, done.stderr
    assert "uploaded scene" in done.stderr
    [seven] = (scene / "maps").glob("*/7.bin")
    expected = hashlib.sha256(seven.read_bytes() + (scene / "mesh").read_bytes()).hexdigest()
    found = {path.name: path.read_text().split()[0] for path in (tmp_path / "out").iterdir()}
    assert found == {f"sum{n}": expected for n in (1, 2, 3)}


def test_every_file_of_it_is_there_and_right(ensemble: Ensemble, scene: Path) -> None:
    assert rendered(ensemble.farm, ensemble.farm.upload_folder(scene), "1-2") == [sums(scene)] * 2


def test_a_folder_of_empty_files_is_laid_out_too(ensemble: Ensemble, tmp_path: Path) -> None:
    root = tmp_path / "scene"
    (root / "frames").mkdir(parents=True)
    for name in (".keep", "frames/.keep"):
        (root / name).touch()
    assert rendered(ensemble.farm, ensemble.farm.upload_folder(root)) == [sums(root)]


def test_of_a_folder_that_changed_only_what_is_new_is_sent(ensemble: Ensemble, scene: Path) -> None:
    farm = ensemble.farm
    farm.upload_folder(scene)
    before = {path for path in (ensemble.server.data / "objects" / "blobs").rglob("*") if path.is_file()}
    (scene / "maps" / "set 0" / "0.bin").write_bytes(b"new")
    manifest = farm.upload_folder(scene)
    after = {path for path in (ensemble.server.data / "objects" / "blobs").rglob("*") if path.is_file()}
    assert sum(path.stat().st_size for path in after - before) < 200_000  # a pack and a manifest, and not the mesh
    assert rendered(farm, manifest) == [sums(scene)]


def test_a_large_file_travels_in_pieces(ensemble: Ensemble, scene: Path) -> None:
    farm = ensemble.farm
    with digest_cache() as cache:
        packing = folders.packed({path: scene / path for path in folders.files_below(scene)}, cache, piece_bytes=70_000)
    assert len(packing.manifest.objects) > 5
    folders._send_missing(farm._calls, packing, None)
    manifest = folders._store_manifest(farm._calls, packing.manifest.to_json())
    assert rendered(farm, manifest) == [sums(scene)]


def test_an_upload_that_broke_off_goes_on_with_what_is_missing(ensemble: Ensemble, scene: Path) -> None:
    farm, told = ensemble.farm, list[tuple[int, int]]()
    manifest = farm.upload_folder(scene)
    mesh = hashlib.sha256((scene / "mesh").read_bytes()).hexdigest()
    kept = ensemble.server.data / "objects" / relative_path(f"blobs/{mesh}")
    kept.unlink()
    settings = {"frames": "1", "command": ["true", "{frame}"], "manifest": manifest}
    with pytest.raises(BadRequest, match="1 of 302 files are not stored: mesh"):
        farm.submit("frames", settings)
    farm.upload_folder(scene, on_bytes=lambda done, total: told.append((done, total)))
    assert kept.exists() and told[0][0] == told[-1][1] - 400_000 and told[-1][0] == told[-1][1]
    assert farm.submit("frames", settings).id


def test_a_worker_reads_nothing_but_what_its_task_names(ensemble: Ensemble, scene: Path) -> None:
    """The manifest is another's; the lease is nobody's."""
    farm = ensemble.farm
    manifest = farm.upload_folder(scene)
    me = {"name": "n", "task_types": [], "tags": [], "slots": 1, "platform": "linux", "software": "t"}
    made = requests.post(f"{farm.url}/worker", json={"runtime": [], "worker": me}, timeout=30).json()
    mesh = hashlib.sha256((scene / "mesh").read_bytes()).hexdigest()
    body = {"task": manifest, "generation": 1, "manifest": manifest, "objects": [mesh]}
    answer = requests.post(
        f"{farm.url}/worker/{made['id']}/files", json=body, auth=(made["id"], made["secret"]), timeout=30
    )
    assert answer.status_code == 409, json.dumps(answer.json())
