"""`darkroom lr-find`: a range test over the training photos that proposes a learning rate."""

import argparse
import contextlib
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.contract.params.pipeline import Params
    from components.contract.params.training import TrainParams

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]

FEWEST, MOST = 20, 10_000


def add_lr_find(verb: Verb, add_params_options: Callable[[argparse.ArgumentParser], None]) -> None:
    """Adds the verb."""
    find = verb("lr-find", _find, "train a little at rising learning rates, draw the loss, and propose a rate")
    add_params_options(find)
    find.add_argument("--dataset", type=Path, metavar="FOLDER", help="prepared photos, in place of --data")
    find.add_argument("--batches", type=_parse_batches, default=100, metavar="N", help="at most; default: %(default)s")
    find.add_argument("--output", type=Path, default=Path("lr-find.html"), help="the curve; default: %(default)s")
    find.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _find(arguments: argparse.Namespace) -> int:
    from components.contract.system.atomic_files import write_file
    from components.train.lr_finder.finder import find_rate
    from components.train.lr_finder.page import page, sentences
    from pipelines.cli import show

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    logging.getLogger("components").setLevel(logging.INFO)
    with _prepare(arguments) as (dataset_dir, params):
        test = find_rate(dataset_dir, params, arguments.batches)
    write_file(arguments.output, page(test).encode())
    if arguments.json:
        show.as_json(test.model_dump(mode="json") | {"page": str(arguments.output)})
    else:
        show.line("\n".join([*sentences(test), f"{arguments.output} shows the curve."]))
    return 0


@contextlib.contextmanager
def _prepare(arguments: argparse.Namespace) -> "Iterator[tuple[Path, TrainParams]]":
    """The folder of a prepared data set, and the params without `auto`."""
    from components.contract.errors import ParamsError
    from pipelines.cli import show
    from pipelines.run_options import resolve_data

    console = show.console(to_stderr=True)
    if arguments.dataset is None:
        resolution = resolve_data(arguments)
        show.decisions(console, resolution)
        with tempfile.TemporaryDirectory(prefix="darkroom-lr-find-") as scratch:
            yield _preprocess(resolution.params, Path(scratch) / "dataset"), resolution.params.train
        return
    if arguments.data is not None:
        raise ParamsError("The photos must be named once, with --data or with --dataset; both are given.")
    from components.contract.artifacts.dataset import read_info
    from components.contract.params.pipeline import load_params
    from components.contract.params.resolve import resolve_train
    from components.train.network.initial_model import inspect_model

    path = arguments.params or Path("params.yaml")
    has_file = arguments.params is not None or path.exists()
    train = load_params(path if has_file else None, (*arguments.set, "data.uri=prepared")).train
    model, given_model = inspect_model(train.model)
    params, decisions = resolve_train(
        train.model_copy(update={"model": model}), read_info(arguments.dataset).image_size, given_model
    )
    for decision in decisions:
        console.print(decision, highlight=False)
    yield arguments.dataset, params


def _preprocess(params: "Params", dataset_dir: Path) -> Path:
    from components.preprocess.step import preprocess

    preprocess(params.data.uri, params.preprocess, dataset_dir, params.data.columns)
    return dataset_dir


def _parse_batches(text: str) -> int:
    if not text.isdecimal() or not FEWEST <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"a number from {FEWEST} to {MOST:,} is expected; found {text!r}")
    return int(text)
