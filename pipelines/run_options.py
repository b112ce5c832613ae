"""The options that name photos and params on a command line, and the params that they result in.

The `darkroom` command and the studio, which accepts a pasted command, read them alike.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.text import is_utf8

if TYPE_CHECKING:
    from collections.abc import Callable

    from components.contract.params.data import ColumnNames
    from components.contract.params.pipeline import Params
    from components.contract.params.resolve import Resolution
    from components.preprocess.sources.probe import Probe


def add_run_options(run: argparse.ArgumentParser) -> None:
    """Adds the options of `darkroom run`."""
    add_params_options(run)
    run.add_argument(
        "--runner",
        choices=("subprocess", "docker"),
        default="subprocess",
        help="default: %(default)s; docker: make images",
    )
    run.add_argument("--memory", metavar="SIZE", help="what a container may use, such as 4g; default: all there is")
    run.add_argument("--gpus", type=count, default=0, help="how many the containers may use; default: %(default)s")
    run.add_argument("--require-promotion", action="store_true", help="exit with 3 unless the verdict promotes")
    add_json(run)


def add_params_options(parser: argparse.ArgumentParser) -> None:
    """Adds --data, --params and --set."""
    parser.add_argument("--data", metavar="URI", help="the photos: class folders, an archive, a table or an address")
    parser.add_argument("--params", type=Path, metavar="FILE", help="default: params.yaml where it exists")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change one value; may be repeated"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds --json."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def count(text: str) -> int:
    """Parses a whole number from 0.

    Raises:
        ArgumentTypeError: it is not one.
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a whole number from 0 is expected; found {text!r}")
    return int(text)


def resolve_data(arguments: argparse.Namespace) -> "Resolution":
    """Params from file and options, every `auto` settled by a look at the data."""
    return resolve_params(read_params(arguments))


def resolve_params(params: "Params", look: "Callable[[str, ColumnNames], Probe] | None" = None) -> "Resolution":
    """Every `auto` settled by a look at the data, whose path becomes absolute.

    Args:
        params: as they were given.
        look: how to look at the data; by default in this process.
    """
    from components.contract.params.resolve import resolve
    from components.preprocess.sources.probe import probe
    from components.preprocess.sources.remote.addresses import is_remote
    from components.train.network.initial_model import inspect_initial_model
    from pipelines.data.recovery import require_whole

    uri = params.data.uri
    if not is_remote(uri):
        uri = str(Path(uri).expanduser().resolve())
        require_utf8(uri)
        params = params.model_copy(update={"data": params.data.model_copy(update={"uri": uri})})
        require_whole(Path(uri))
    data_probe = (look or probe)(uri, params.data.columns)
    params, given_model = inspect_initial_model(params)
    resolution = resolve(
        params, native_size=data_probe.native_size, data_name=data_probe.name, initial_model=given_model
    )
    return resolution.model_copy(update={"data": data_probe.description})


def read_params(arguments: argparse.Namespace) -> "Params":
    """Params from file and options, as they were given.

    Raises:
        ParamsError: the data are named nowhere, or a value cannot be.
    """
    from components.contract.errors import ParamsError
    from components.contract.params.pipeline import load_params

    path = arguments.params or Path("params.yaml")
    overrides = [*arguments.set]
    if arguments.data is not None:
        require_utf8(arguments.data)
        overrides.append(f"data.uri={_quote(arguments.data)}")
    has_file = arguments.params is not None or path.exists()
    if not has_file and not any(override.startswith("data.uri=") for override in overrides):
        raise ParamsError("Photos must be named, with --data or in a params.yaml; there is neither in this folder.")
    return load_params(path if has_file else None, tuple(overrides))


def require_utf8(path: str) -> None:
    """Requires a path of data to be UTF-8.

    Raises:
        DataError: it is not.
    """
    from components.contract.errors import DataError

    if not is_utf8(path):
        raise DataError(
            f"The path of the data must be UTF-8, since it is noted with the model; {path!r} is not. Rename the "
            "folder, or make a link with another name to it."
        )


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
