"""Prepared data sets with content that preprocess rarely produces: changed labels, missing classes, a single photo."""

from pathlib import Path

import numpy as np

from components.contract.artifacts.dataset import DatasetInfo, SplitName, open_split, read_info, write_shard
from components.contract.system.atomic_files import write_json


def rewrite_split(dataset_dir: Path, split: SplitName, *, indices: list[int], labels: list[int]) -> DatasetInfo:
    """Keeps only the photos at these indices of a split and sets their labels."""
    original = open_split(dataset_dir, split)
    kept_indices = np.array(indices, np.int64)
    pixels, image_ids = original.gather(kept_indices), [original.image_ids[index] for index in indices]
    write_shard(dataset_dir / f"{split}-00000.arrow", pixels, np.array(labels, np.int32), image_ids)
    info = read_info(dataset_dir)
    counts = {name: labels.count(label) for label, name in enumerate(info.class_names)}
    info = info.model_copy(update={"counts": {**info.counts, split: counts}})
    write_json(dataset_dir / "dataset.json", info)
    return info
