"""Runs the learning rate range test on photos or on a prepared data set, for `darkroom lr-find`."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.artifacts.dataset import read_info
from components.contract.errors import ParamsError
from components.contract.params.pipeline import load_params
from components.contract.params.resolve import Resolution, resolve_train
from pipelines.preparation import prepared

if TYPE_CHECKING:
    from components.contract.params.training import TrainParams
    from components.train.lr_finder.finder import RangeTest


def find_learning_rate(
    data: str | None,
    params: Path | None,
    settings: Iterable[str],
    *,
    dataset_dir: Path | None,
    num_batches: int,
    output: Path,
    show: Callable[[Resolution], None],
) -> "RangeTest":
    """Trains briefly at increasing learning rates, and writes a page with the loss curve.

    Args:
        data: the address of the photos.
        params: the params file.
        settings: the params to change, each as `section.key=value`.
        dataset_dir: a prepared data set, instead of `data`.
        num_batches: the maximum number of batches.
        output: the path of the page.
        show: called with the resolved params before training starts.

    Raises:
        ParamsError: both `data` and `dataset_dir` are set, or a value is invalid.
    """
    from components.contract.system.atomic_files import write_file
    from components.train.lr_finder.finder import find_rate
    from components.train.lr_finder.page import page

    if dataset_dir is not None and data is not None:
        raise ParamsError("Set the photos with either --data or --dataset; found both.")
    source = _resolve(dataset_dir, params, settings, show) if dataset_dir else prepared(data, params, settings, show)
    with source as (folder, train):
        test = find_rate(folder, train, num_batches)
    write_file(output, page(test).encode())
    return test


@contextlib.contextmanager
def _resolve(
    dataset_dir: Path, params: Path | None, settings: Iterable[str], show: Callable[[Resolution], None]
) -> Iterator[tuple[Path, "TrainParams"]]:
    """Resolves the params of train for a prepared data set; yields the data set and these params."""
    from components.train.network.initial_model import inspect_model

    path = params or Path("params.yaml")
    has_file = params is not None or path.exists()
    loaded = load_params(path if has_file else None, (*settings, "data.uri=prepared"))
    model, given_model = inspect_model(loaded.train.model)
    train, decisions = resolve_train(
        loaded.train.model_copy(update={"model": model}), read_info(dataset_dir).image_size, given_model
    )
    show(Resolution(params=loaded, decisions=tuple(decisions)))
    yield dataset_dir, train
