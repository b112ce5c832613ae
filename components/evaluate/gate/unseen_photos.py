"""Finds the test photos that no model was trained on, not even through a near-duplicate."""

import logging
from collections.abc import Collection
from pathlib import Path

import numpy as np

from components.contract.artifacts.dataset import Split

log = logging.getLogger(__name__)

COLUMNS = ("sha256", "split", "reason", "split_key")
"""Columns of manifest.parquet. Copies, near-duplicates and files of the same group share a split_key."""


def find_unseen(split: Split, train_image_ids: Collection[str], manifest_path: Path) -> np.ndarray:
    """The indices of the photos in a split that are in no training set: int (m,).

    A photo also counts as seen if a model was trained on another file with the same split key, such as a
    near-duplicate, and that file has left the train split since: it was moved together with the photo, or rejected as
    a copy of it. If the file is still in the train split, the user has put the two files into different splits. Then
    the photo does not count as seen, and the audit reports the pair.

    Args:
        split: the photos to check.
        train_image_ids: IDs of the photos in all training sets.
        manifest_path: manifest.parquet; if it is missing or has no split keys, only identical photos are detected.
    """
    seen_ids = set(train_image_ids)
    key_of: dict[str, str] = {}
    seen_keys: set[str] = set()
    for sha256, name, reason, key in _read_keys(manifest_path) if seen_ids else ():
        image_id = sha256[:32]
        key_of[image_id] = key
        if image_id in seen_ids and not (reason is None and name == "train"):
            seen_keys.add(key)
    is_unseen = [
        image_id not in seen_ids and key_of.get(image_id) not in seen_keys for image_id in map(str, split.image_ids)
    ]
    return np.flatnonzero(is_unseen)


def _read_keys(manifest_path: Path) -> list[tuple[str, str | None, str | None, str]]:
    """The SHA-256, split, reason for rejection and split key of each file that has a split key."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not manifest_path.exists():
        return []
    try:
        if not set(COLUMNS) <= set(pq.read_schema(manifest_path).names):
            return []
        table = pq.read_table(manifest_path, columns=list(COLUMNS), filters=[("split_key", "!=", "")])
    except (OSError, pa.ArrowException) as error:
        log.warning("%s cannot be read: %s. Near-duplicates of training photos are not detected.", manifest_path, error)
        return []
    return list(zip(*(table[name].to_pylist() for name in COLUMNS), strict=True))
