"""Backups of a farm that runs, and farms restored from them that finish what was half done."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.bootstrap import embedded_farm
from chalicelib.config import Settings
from chalicelib.core import blobs, schema
from chalicelib.core.farm import Farm
from chalicelib.core.ports import Put
from chalicelib.core.records import keys
from chalicelib.core.upgrading import UPGRADES
from chalicelib.embedded import backups
from chalicelib.embedded.backups import CannotDo, backup, restore
from chalicelib.store.sqlite import SqliteTable

ROOT = Path(__file__).parents[2]


def opened(data: Path) -> Farm:
    return embedded_farm(Settings(data=data))


def close(farm: Farm) -> None:
    assert isinstance(farm.table, SqliteTable)
    farm.table.close()


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    farm = opened(tmp_path / "farm")
    yield farm
    close(farm)


def test_a_restored_farm_has_everything_that_was_there(farm: Farm, tmp_path: Path) -> None:
    kept = [blobs.store_bytes(farm, bytes([n]) * 1000) for n in range(20)]
    taken = backup(tmp_path / "farm", tmp_path / "backup")
    assert taken == backups.Amount(20, 20_000)
    later = blobs.store_bytes(farm, b"later")
    restore(tmp_path / "backup", tmp_path / "again")
    again = opened(tmp_path / "again")
    assert [again.objects.get(blobs.get(again, blob.id).object_key) for blob in kept] == [
        bytes([n]) * 1000 for n in range(20)
    ]
    assert again.blobs.get(later.id) is None and again.objects.get(later.object_key) is None
    assert (tmp_path / "again/secret").read_bytes() == (tmp_path / "farm/secret").read_bytes()
    close(again)


def test_every_object_that_the_table_of_the_backup_names_is_in_it(farm: Farm, tmp_path: Path) -> None:
    """While blobs come in as fast as they can."""
    stop, begun = threading.Event(), threading.Event()

    def store() -> None:
        number = 0
        while not stop.is_set():
            blobs.store_bytes(farm, b"%d" % number)
            number += 1
            begun.set()

    writers = [threading.Thread(target=store) for _ in range(2)]
    for writer in writers:
        writer.start()
    assert begun.wait(20)
    try:
        for number in range(3):
            backup(tmp_path / "farm", tmp_path / f"backup{number}")
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    for number in range(3):
        restore(tmp_path / f"backup{number}", tmp_path / f"again{number}")
        again = opened(tmp_path / f"again{number}")
        with closing(sqlite3.connect(tmp_path / f"again{number}/farm.db")) as table:
            named = table.execute("SELECT pk FROM items WHERE pk LIKE 'BLOB#%'").fetchall()
        found = [blobs.get(again, int(pk.removeprefix("BLOB#"))) for (pk,) in named]
        assert found and all(again.objects.get(blob.object_key) is not None for blob in found)
        close(again)


def test_what_comes_and_goes_between_the_looks_is_in_it_if_the_table_names_it(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, kept = backups._snapshot, blobs.store_bytes(farm, b"deleted after the snapshot")
    made = []

    def in_between(source: Path, target: Path) -> None:
        made.append(blobs.store_bytes(farm, b"came before the snapshot"))
        real(source, target)
        farm.objects.delete(kept.object_key)

    monkeypatch.setattr(backups, "_snapshot", in_between)
    assert backup(tmp_path / "farm", tmp_path / "backup").objects == 2
    restore(tmp_path / "backup", tmp_path / "again")
    again = opened(tmp_path / "again")
    assert [again.objects.get(blobs.get(again, blob.id).object_key) for blob in (kept, *made)] == [
        b"deleted after the snapshot",
        b"came before the snapshot",
    ]
    close(again)


def test_links_are_made_where_they_can_be_and_copies_where_told(farm: Farm, tmp_path: Path) -> None:
    blobs.store_bytes(farm, b"content")
    backup(tmp_path / "farm", tmp_path / "linked")
    backup(tmp_path / "farm", tmp_path / "copied", copy=True)
    [linked], [copied] = (list(backups._files(tmp_path / name / "objects")) for name in ("linked", "copied"))
    assert linked.stat().st_nlink == 2 and copied.stat().st_nlink == 1
    assert linked.read_bytes() == copied.read_bytes() == b"content"


def test_what_a_farm_deletes_stays_in_its_backups(farm: Farm, tmp_path: Path) -> None:
    blob = blobs.store_bytes(farm, b"content")
    backup(tmp_path / "farm", tmp_path / "backup")
    farm.objects.delete(blob.object_key)
    farm.objects.put(blob.object_key, b"other")
    restore(tmp_path / "backup", tmp_path / "again")
    again = opened(tmp_path / "again")
    assert again.objects.get(blob.object_key) == b"content"
    close(again)


def test_a_backup_is_its_users_alone(farm: Farm, tmp_path: Path) -> None:
    backup(tmp_path / "farm", tmp_path / "backup")
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "backup/secret").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_is_refused_and_changes_nothing(farm: Farm, tmp_path: Path) -> None:
    blobs.store_bytes(farm, b"content")
    backup(tmp_path / "farm", tmp_path / "backup")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    for source, target, says in (
        (tmp_path / "nothing", tmp_path / "x", "there is no farm"),
        (tmp_path / "farm", tmp_path / "backup", "is there already"),
        (tmp_path / "farm", tmp_path / "farm/backup", "in the farm's own folder"),
    ):
        with pytest.raises(CannotDo, match=says):
            backup(source, target)
    for source, target, says in (
        (tmp_path / "nothing", tmp_path / "x", "is no backup"),
        (tmp_path / "farm", tmp_path / "x", "is no backup"),
        (tmp_path / "backup", tmp_path / "farm", "is not empty"),
    ):
        with pytest.raises(CannotDo, match=says):
            restore(source, target)
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_a_damaged_backup_is_not_restored(farm: Farm, tmp_path: Path) -> None:
    blobs.store_bytes(farm, b"content")
    for name in ("torn", "robbed", "newer"):
        backup(tmp_path / "farm", tmp_path / name, copy=True)
    (tmp_path / "torn/farm.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    next(backups._files(tmp_path / "robbed/objects")).unlink()
    described = json.loads((tmp_path / "newer/backup.json").read_text())
    (tmp_path / "newer/backup.json").write_text(json.dumps({**described, "schema": schema.SCHEMA + 1}))
    for name, says in (("torn", "cannot be read|damaged"), ("robbed", "0 of 1 objects"), ("newer", "form 2")):
        with pytest.raises(CannotDo, match=says):
            restore(tmp_path / name, tmp_path / "again")
        assert not (tmp_path / "again").exists()


def test_a_backup_that_was_cut_off_is_none_and_does_not_stand_in_the_way(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "backup.partial/objects").mkdir(parents=True)
    (tmp_path / "backup.partial/objects/left").touch()
    assert backup(tmp_path / "farm", tmp_path / "backup").objects == 0
    assert not (tmp_path / "backup.partial").exists() and not (tmp_path / "backup/objects/left").exists()


# ---- the form of the data


def test_a_new_farm_says_which_form_its_data_has(farm: Farm) -> None:
    assert farm.table.get(keys.farm()) == {
        "pk": "FARM",
        "sk": "-",
        "schema": schema.SCHEMA,
        "upgraded": len(UPGRADES),
    }


def test_data_of_a_newer_millrace_is_refused_and_not_touched(farm: Farm, tmp_path: Path) -> None:
    newer = {"pk": "FARM", "sk": "-", "schema": schema.SCHEMA + 1, "more": "than we know"}
    farm.table.write(Put(newer))
    with pytest.raises(schema.NewerData, match=r"form 2, .* forms up to 1: it was written by a newer one"):
        schema.check(farm.table)
    command = [sys.executable, "-m", "chalicelib.embedded", "--port", "0", "--data", str(tmp_path / "farm")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert ended.returncode == 1 and "written by a newer one" in ended.stderr and "Traceback" not in ended.stderr
    assert farm.table.get(keys.farm()) == newer


def test_the_command_says_what_it_did_and_what_it_cannot(farm: Farm, tmp_path: Path) -> None:
    blobs.store_bytes(farm, b"content")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "worker")}
        command = [sys.executable, "-m", "millrace.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, cwd=tmp_path)

    made = run("backup", "kept", "--data", "farm")
    assert (made.returncode, made.stderr) == (0, "") and "1 objects (7 bytes)" in made.stdout
    assert run("backup", "kept", "--data", "farm").returncode == 2
    back = run("restore", "kept", "--data", "again")
    assert back.returncode == 0 and (tmp_path / "again/farm.db").exists()
    refused = run("restore", "kept", "--data", "again")
    assert refused.returncode == 2 and "is not empty" in refused.stderr
