"""`python -m chalicelib.embedded.backups backup|restore`: a farm on one machine into a folder, and out of it again.

A backup is taken while the farm runs, by anybody who may read its folder. It holds the table as it was at one instant
(SQLite's backup, in one read transaction), and every object that the table of that instant can name: objects never
change, so those that are there before and those that came until after the snapshot are taken, once each. They are hard
links where the backup lies on the same disk (and then take no room, and share the disk's fate), else copies.

    farm.db       the table
    objects/      the objects, as the folder engine keeps them
    secret        what signs URLs
    backup.json   when, by which version, how much; written last

Dies half way: what is there is named `<folder>.partial`, and no backup; the next one takes its place. `restore` writes
into a folder that is empty or not there, by the same rule.

What a restored farm does not know was done after the backup: tasks under a lease then are given out again when it runs
out, and late reports of them are refused; workers that came later register anew by themselves. A task's log goes its
own way: one that completed a moment before the backup may lack the end of its log there, and get it no more.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..config import VERSION, default_data
from ..core.records.keys import farm as farm_key
from ..core.schema import SCHEMA
from ..store.rows import decode_body

TABLE, OBJECTS, DESCRIPTION = "farm.db", "objects", "backup.json"
KEPT = ("secret", "token-told")
"""Small files of the data folder that belong to the farm, and not to a process."""
USAGE, FAILED = 2, 1


class CannotDo(Exception):
    """Why there is no backup, or nothing was restored; nothing was changed."""


@dataclass(frozen=True)
class Amount:
    """What was taken."""

    objects: int
    bytes: int


def backup(data: Path, target: Path, *, copy: bool = False) -> Amount:
    """Take a backup of the farm in `data` as the folder `target`, which must not be there. `copy`: no hard links."""
    if not (data / TABLE).is_file():
        raise CannotDo(f"there is no farm in {data}")
    if target.exists():
        raise CannotDo(f"{target} is there already; a backup is a folder of its own")
    if target.absolute().is_relative_to(data.absolute()):
        raise CannotDo(f"{target} lies in the farm's own folder")
    partial = _fresh_partial(target)
    # Before the snapshot, for what is deleted while we look; and after it, for what came in between.
    taken = _take_objects(data / OBJECTS, partial / OBJECTS, copy)
    _snapshot(data / TABLE, partial / TABLE)
    later = _take_objects(data / OBJECTS, partial / OBJECTS, copy)
    for name in KEPT:
        if (data / name).exists():
            shutil.copy2(data / name, partial / name)
    amount = Amount(taken.objects + later.objects, taken.bytes + later.bytes)
    described = {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": VERSION,
        "schema": _schema_of(partial / TABLE),
        "objects": amount.objects,
        "bytes": amount.bytes,
    }
    (partial / DESCRIPTION).write_text(json.dumps(described, indent=2) + "\n")
    _become(partial, target)
    return amount


def restore(source: Path, data: Path, *, copy: bool = False) -> Amount:
    """Make the farm of a backup in `data`, which must be empty or not there."""
    described = _described(source)
    if described["schema"] > SCHEMA:
        raise CannotDo(
            f"{source} has data of form {described['schema']}, and this Millrace knows forms up to {SCHEMA}: "
            "restore it with the version that took it, or a newer one"
        )
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise CannotDo(f"{data} is not empty; a farm is restored into a folder of its own")
    _check_table(source / TABLE)
    partial = _fresh_partial(data)
    shutil.copyfile(source / TABLE, partial / TABLE)
    amount = _take_objects(source / OBJECTS, partial / OBJECTS, copy)
    if amount.objects != described["objects"]:
        raise CannotDo(f"{source} is not whole: it has {amount.objects} of {described['objects']} objects")
    for name in KEPT:
        if (source / name).exists():
            shutil.copy2(source / name, partial / name)
    if data.exists():
        data.rmdir()
    _become(partial, data)
    return amount


# ---- the table -----------------------------------------------------------------------------------------------------


def _snapshot(source: Path, target: Path) -> None:
    """All pages in one step: a reader in WAL mode sees one instant, and no writer waits for it."""
    with closing(_read_only(source)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there, pages=-1)
        there.execute("PRAGMA journal_mode = DELETE")  # one file, whole by itself


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _check_table(path: Path) -> None:
    try:
        with closing(_read_only(path)) as table:
            [answer] = table.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise CannotDo(f"{path} cannot be read: {error}") from None
    if answer != "ok":
        raise CannotDo(f"{path} is damaged: {answer}")


def _schema_of(path: Path) -> int:
    key = farm_key()
    with closing(sqlite3.connect(path)) as table:
        row = table.execute("SELECT body FROM items WHERE pk = ? AND sk = ?", (key.pk, key.sk)).fetchone()
    return 1 if row is None else int(decode_body(row[0]).get("schema", 1))


# ---- objects -------------------------------------------------------------------------------------------------------


def _take_objects(source: Path, target: Path, copy: bool) -> Amount:
    """Those that are not taken yet."""
    objects = size = 0
    for path in _files(source):
        there = target / path.relative_to(source)
        if there.exists():
            continue
        there.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            _take(path, there, copy)
        except FileNotFoundError:
            continue  # deleted since it was listed, with the job that had it
        objects, size = objects + 1, size + there.stat().st_size
    return Amount(objects, size)


def _files(folder: Path) -> Iterator[Path]:
    """Objects, not uploads under way. A folder that goes while we look had its last object deleted."""
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".incoming"]
        yield from (Path(root, name) for name in files)


def _take(path: Path, there: Path, copy: bool) -> None:
    if not copy:
        try:
            os.link(path, there, follow_symlinks=False)
            return
        except FileNotFoundError:
            raise
        except OSError:
            pass  # another disk, or one without links
    part = there.with_name(there.name + ".part")
    shutil.copyfile(path, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(there)


# ---- folders -------------------------------------------------------------------------------------------------------


def _fresh_partial(target: Path) -> Path:
    partial = target.with_name(target.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)
    (partial / OBJECTS).mkdir(parents=True, mode=0o700)
    partial.chmod(0o700)
    return partial


def _become(partial: Path, target: Path) -> None:
    os.sync()
    partial.rename(target)
    os.sync()


def _described(source: Path) -> dict[str, int]:
    try:
        found = json.loads((source / DESCRIPTION).read_text())
        return {"schema": int(found["schema"]), "objects": int(found["objects"])}
    except (OSError, ValueError, KeyError, TypeError):
        raise CannotDo(f"{source} is no backup of a farm: it has no readable {DESCRIPTION}") from None


# ---- the command ---------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="millrace", description="Back up or restore a farm on this machine.")
    parser.add_argument("action", choices=("backup", "restore"))
    parser.add_argument("backup", type=Path, metavar="FOLDER", help="the backup")
    parser.add_argument("--data", type=Path, help="the farm's folder")
    parser.add_argument("--copy", action="store_true", help="copy objects, also where links could be made")
    options = parser.parse_args(arguments)
    named = options.data or os.environ.get("MILLRACE_DATA") or default_data(os.environ)
    data = Path(named).expanduser().absolute()
    try:
        if options.action == "backup":
            amount, where = backup(data, options.backup.absolute(), copy=options.copy), options.backup
        else:
            amount, where = restore(options.backup.absolute(), data, copy=options.copy), data
    except CannotDo as reason:
        print(f"millrace {options.action}: {reason}", file=sys.stderr)
        return USAGE
    except (OSError, sqlite3.Error) as error:
        print(f"millrace {options.action}: {error}; nothing but a .partial folder is left", file=sys.stderr)
        return FAILED
    print(f"{where}: the table and {amount.objects} objects ({amount.bytes} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
