"""Helpers for the tests of preprocess: they read folders and manifests, and write photos."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from tests.support.artifacts import photo


def tree(folder: Path) -> dict[str, bytes]:
    """The content of each file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def read_manifest(dataset_dir: Path) -> list[dict]:
    return pq.read_table(dataset_dir / "manifest.parquet").to_pylist()


def add_photo(path: Path, class_name: str = "red", seed: int = 77) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo(class_name, np.random.default_rng(seed))).save(path)
