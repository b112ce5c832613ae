"""Looks at the photos as a set: copies of the same file, and labels that contradict each other."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from components.contract.dataset import SPLITS
from components.preprocess.manifest import Record


def settle_copies(records: Sequence[Record]) -> list[Record]:
    """Rejects byte-identical copies, so that each photo that is kept is there once.

    Of copies under one label one is kept: in the test split where there is one, else validation, so that training never
    sees what it is tested with; within a split the first by path. Copies under several labels are all rejected: nobody
    can say which label is right.
    """
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.kept:
            groups[record.image_id].append(record)
    return [_settle(record, groups[record.image_id]) if record.kept else record for record in records]


def _settle(record: Record, copies: Sequence[Record]) -> Record:
    if len(copies) == 1:
        return record
    other_label = next((copy for copy in copies if copy.class_name != record.class_name), None)
    if other_label is not None:
        return replace(record, reason="contradictory_label",
                       message=f"The same file stands under another class, as {other_label.path}.")  # fmt: skip
    first = min(copies, key=lambda copy: (-SPLITS.index(copy.split or "train"), copy.path))
    if record is first:
        return record
    return replace(record, reason="duplicate", message=f"The same file is kept as {first.path}.")
