"""Defines the command-line options for photos and params, and reads the params that they set.

The `darkroom` command uses these options; the studio uses them to parse a command that a user pastes.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from components.contract.text import is_utf8
from pipelines.option_values import PATH, parse_count, parse_minutes, parse_setting

if TYPE_CHECKING:
    from components.contract.params.data import ColumnNames
    from components.contract.params.pipeline import Params
    from components.contract.params.resolve import Resolution
    from components.preprocess.sources.probe import Probe

Function = TypeVar("Function", bound=Callable[..., Any])

data_option = click.option(
    "--data", metavar="URI", help="The photos: class folders, an archive, a table or an address."
)
params_option = click.option(
    "--params", type=PATH, metavar="FILE", help="The params file.", show_default="params.yaml, if it exists"
)
set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    type=parse_setting,
    metavar="SECTION.KEY=VALUE",
    help="Change one param. Can be repeated.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")


def params_options(function: Function) -> Function:
    """Adds --data, --params and --set."""
    return data_option(params_option(set_option(function)))


def run_options(function: Function) -> Function:
    """Adds the options of `darkroom run`."""
    for option in (
        json_option,
        click.option(
            "--preset",
            type=click.Choice(("fast", "balanced", "best")),
            help="How a pretrained network is trained: the same as --set train.preset=NAME.",
        ),
        click.option(
            "--minutes",
            type=parse_minutes,
            metavar="N",
            help="A time limit for the whole run: the same as --set train.minutes=N.",
        ),
        click.option("--require-promotion", is_flag=True, help="Exit with code 3 unless the model is promoted."),
        click.option("--gpus", type=parse_count, default=0, metavar="N", help="The number of GPUs for each container."),
        click.option(
            "--memory", metavar="SIZE", help="The memory that a container can use, such as 4g.", show_default="no limit"
        ),
        click.option(
            "--runner",
            type=click.Choice(("subprocess", "docker")),
            default="subprocess",
            help="Where the steps run. For docker, build the images first: make images.",
        ),
    ):
        function = option(function)
    return params_options(function)


def with_shortcuts(settings: tuple[str, ...], preset: str | None, minutes: float | None) -> tuple[str, ...]:
    """Adds the settings of --preset and --minutes to those of --set."""
    values = {"preset": preset, "minutes": minutes}
    return (*settings, *(f"train.{key}={value}" for key, value in values.items() if value is not None))


def resolve_data(data: str | None, params: Path | None, settings: Iterable[str]) -> "Resolution":
    """Reads params from a file and options, and resolves every `auto` by inspecting the data."""
    return resolve_params(read_params(data, params, settings))


def resolve_params(params: "Params", look: "Callable[[str, ColumnNames], Probe] | None" = None) -> "Resolution":
    """Resolves every `auto` by inspecting the data, whose path becomes absolute.

    Args:
        params: the params, which may contain `auto`.
        look: the function that inspects the data; by default, `probe` in this process.
    """
    from components.contract.params.resolve import resolve
    from components.preprocess.sources.probe import probe
    from components.preprocess.sources.remote.addresses import is_remote
    from components.train.network.candidates import inspect_initial_model
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


def read_params(data: str | None, params: Path | None, settings: Iterable[str]) -> "Params":
    """Reads params from a file and options, without resolving them.

    Args:
        data: the address of the photos; replaces the address in the file.
        params: the params file; None for params.yaml, if it exists.
        settings: the params to change, each as `section.key=value`.

    Raises:
        ParamsError: neither the file nor an option names the data, or a value is invalid.
    """
    from components.contract.errors import ParamsError
    from components.contract.params.pipeline import load_params

    path = params or Path("params.yaml")
    overrides = [*settings]
    if data is not None:
        require_utf8(data)
        overrides.append(f"data.uri={json.dumps(data, ensure_ascii=False)}")
    has_file = params is not None or path.exists()
    if not has_file and not any(override.startswith("data.uri=") for override in overrides):
        raise ParamsError("Set the photos with --data or in a params.yaml; this folder has no params.yaml.")
    return load_params(path if has_file else None, tuple(overrides))


def require_utf8(path: str) -> None:
    """Requires the path of data to be UTF-8.

    Raises:
        DataError: the path is not UTF-8.
    """
    from components.contract.errors import DataError

    if not is_utf8(path):
        raise DataError(
            f"The path of the data must be UTF-8, because it is stored with the model; {path!r} is not. Rename the "
            "folder, or create a link to it with another name."
        )
