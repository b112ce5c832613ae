"""Prepares photos in a temporary folder, for commands that need a data set but no run."""

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.params.resolve import Resolution
from pipelines.run_options import resolve_data

if TYPE_CHECKING:
    from components.contract.params.training import TrainParams


@contextlib.contextmanager
def prepared(
    data: str | None, params: Path | None, settings: Iterable[str], show: Callable[[Resolution], None]
) -> Iterator[tuple[Path, "TrainParams"]]:
    """Preprocesses the photos into a temporary folder; yields the data set and the resolved params of train.

    Args:
        data: the address of the photos.
        params: the params file.
        settings: the params to change, each as `section.key=value`.
        show: called with the resolved params before the photos are read.
    """
    from components.preprocess.step import preprocess

    resolution = resolve_data(data, params, settings)
    show(resolution)
    resolved = resolution.params
    with tempfile.TemporaryDirectory(prefix="darkroom-dataset-") as scratch:
        dataset_dir = Path(scratch) / "dataset"
        preprocess(resolved.data.uri, resolved.preprocess, dataset_dir, resolved.data.columns)
        yield dataset_dir, resolved.train
