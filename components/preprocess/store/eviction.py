"""Cleans up the cache: removes packs whose photos are in shards, and the least recently used files."""

import fcntl
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from components.contract.system.cache import evict
from components.preprocess.store.cache_index import MOVE, Place
from components.preprocess.store.pixel_files import PixelFiles


def thin_packs(index: sqlite3.Connection, files: PixelFiles) -> None:
    """Removes packs if at least half of their rows are now in shards, and moves the other rows to new packs."""
    for path in (files.folder / "packs").glob(f"{files.recipe}-*.pack"):
        container = f"packs/{path.name}"
        if container != files.pack_name and not _lockable(path):
            continue
        rows = index.execute("select sha256, recipe, place from verdicts where container = ?", (container,)).fetchall()
        if 2 * len(rows) * files.row_bytes <= path.stat().st_size:
            if rows:
                _move_rest(index, files, rows, container)
            path.unlink()


def _move_rest(
    index: sqlite3.Connection, files: PixelFiles, rows: Sequence[tuple[str, str, int]], container: str
) -> None:
    name = files.new_pack_name()
    with (files.folder / name).open("xb") as file:
        for *_, start in rows:
            file.write(files.read([Place(container, start)]).data)
    places = [(name, row * files.row_bytes, sha256, recipe) for row, (sha256, recipe, _) in enumerate(rows)]
    with index:
        index.executemany(MOVE, places)
    files.used.add(name)


def evict_oldest(index: sqlite3.Connection, files: PixelFiles) -> None:
    """Removes the least recently used files until the cache is within its limit; keeps files that this run has used."""
    now = time.time()
    with index:
        index.executemany(
            "insert or replace into used values (?, ?)",
            [(name, now) for name in files.used if name != files.overflow],
        )
    last_use = dict(index.execute("select container, at from used"))
    paths = [path for pattern in ("packs/*.pack", "shards/*.arrow") for path in files.folder.glob(pattern)]
    names = {path: str(path.relative_to(files.folder)) for path in paths}
    used = {path for path, name in names.items() if name in files.used}
    evict({path: last_use.get(name, 0.0) for path, name in names.items()}, used, _remove)
    removed_names = [(name,) for name in {*last_use, *names.values()} if not (files.folder / name).exists()]
    if removed_names:
        with index:
            index.executemany("delete from used where container = ?", removed_names)
            index.executemany("delete from verdicts where container = ?", removed_names)


def _remove(path: Path) -> bool:
    if not _lockable(path):
        return False
    path.unlink()
    return True


def _lockable(path: Path) -> bool:
    """Whether no run is writing to the file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
