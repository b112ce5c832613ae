"""Writes the kept photos: the shards of each split, and the golden photos."""

import hashlib
import json
import os
import secrets
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np

from components.contract.artifacts.dataset import SPLITS, SplitName, num_shards, shard_of, write_shard
from components.contract.errors import DataError
from components.contract.system.atomic_files import file_sha256
from components.preprocess.manifest import Record
from components.preprocess.scan import Scan
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.store.pixel_cache import PixelStore

Rows = list[tuple[int, Record]]


def write_shards(
    dataset_dir: Path,
    scan: Scan,
    records: Sequence[Record],
    class_names: Sequence[str],
    image_size: tuple[int, int],
    store: PixelStore,
) -> int:
    """Writes the shards of all splits. The bytes of a shard depend only on its photos and labels.

    Args:
        dataset_dir: the folder for the files `<split>-<number>.arrow`, which are links to the cache if possible.
        scan: provides the pixels.
        records: one per file of the scan; kept records have a split.
        class_names: the class names in the order of their labels.
        image_size: (height, width) in pixels.
        store: the cache, which keeps each shard.

    Returns:
        The number of shards that were written; the others were in the cache.
    """
    labels = {name: label for label, name in enumerate(class_names)}
    num_written = 0
    for split in SPLITS:
        split_rows = rows_of(records, split)
        shards: dict[int, Rows] = defaultdict(list)
        for row, record in split_rows:
            shards[shard_of(record.image_id, num_shards(len(split_rows), image_size))].append((row, record))
        for number, members in sorted(shards.items()):
            members.sort(key=lambda member: member[1].image_id)
            is_deep = [scan.depths[row] is not None for row, _ in members]
            key = _shard_key(members, labels, store.recipe_of(is_deep=any(is_deep)))
            path = store.shard_path(key)
            if path.is_file() and path.stat().st_size > len(members) * store.row_bytes:
                store.mark_used(key)
            else:
                num_written += 1
                try:
                    _write_whole(path, members, labels, scan)
                    sha256s = [str(record.sha256) for _, record in members]
                    store.move_to_shard(key, list(zip(sha256s, is_deep, strict=True)))
                except OSError as error:
                    store.warn_unwritable(error)
                    _write_whole(dataset_dir / f"{split}-{number:05d}.arrow", members, labels, scan)
                    continue
            _link(path, dataset_dir / f"{split}-{number:05d}.arrow")
    return num_written


def _shard_key(members: Rows, labels: Mapping[str, int], recipe: str) -> str:
    content = [(record.sha256, labels[str(record.class_name)]) for _, record in members]
    return hashlib.sha256(json.dumps([recipe, content]).encode()).hexdigest()[:32]


def _write_whole(path: Path, members: Rows, labels: Mapping[str, int], scan: Scan) -> None:
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_shard(
            partial,
            scan.pixels([row for row, _ in members]),
            np.array([labels[str(record.class_name)] for _, record in members], np.int32),
            [record.image_id for _, record in members],
        )
        partial.chmod(0o444)  # read-only, because data sets contain hard links to it
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _link(source: Path, target: Path) -> None:
    """Creates a hard link, or a copy if the cache is on a different file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def rows_of(records: Sequence[Record], split: SplitName) -> Rows:
    """The kept photos of a split, each with its row in the scan."""
    return [(row, record) for row, record in enumerate(records) if record.is_kept and record.split == split]


def copy_golden(golden_dir: Path, files: Sequence[PhotoFile], records: Sequence[Record], num_photos: int) -> None:
    """Copies the original files of up to num_photos test photos to `<image_id>.<suffix>`, alternating between classes.

    Raises:
        DataError: a file has changed since it was read.
    """
    golden_dir.mkdir()
    for row, record in _alternate_classes(rows_of(records, "test"))[:num_photos]:
        source = files[row].location
        target = golden_dir / f"{record.image_id}.{_suffix(record)}"
        try:
            with files[row].open() as original, target.open("wb") as copy:
                shutil.copyfileobj(original, copy)
        except OSError as error:
            raise DataError(
                f"The data must not change while it is read; {source} can no longer be read: "
                f"{error.strerror}. Run again."
            ) from None
        if file_sha256(target) != record.sha256:
            raise DataError(f"The data must not change while it is read; {source} has changed. Run again.")


def _alternate_classes(rows: Rows) -> Rows:
    """Sorts rows: the first photo of each class, then the second of each, and so on; each class by content hash."""
    by_class: dict[str, Rows] = defaultdict(list)
    for row, record in sorted(rows, key=lambda member: member[1].image_id):
        by_class[str(record.class_name)].append((row, record))
    rounds = zip_longest(*(by_class[name] for name in sorted(by_class)))
    return [member for member in chain.from_iterable(rounds) if member is not None]


def _suffix(record: Record) -> str:
    return {"JPEG": "jpg", "TIFF": "tif"}.get(str(record.format), str(record.format).lower())
