"""Converts a draft to the text of a params.yaml, and parses the text of a params.yaml or a command."""

import shlex
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from components.contract.errors import ParamsError
from components.contract.foreign.documents import DocumentError, parse_yaml
from components.contract.params.pipeline import Params, load_params
from components.contract.params.training import PRESET_KEYS
from pipelines.run_options import read_params, run_options, with_shortcuts
from pipelines.runners.run_params import dump_yaml
from pipelines.usage_errors import explain_usage

UNNAMED: Final = "unnamed"
"""Used as the data address while no data is chosen, so that the other params can be checked."""


def format_draft(tree: Mapping[str, Any]) -> str:
    """Formats params as the text of a params.yaml."""
    return dump_yaml(tree, width=120) if tree else "# All values are defaults.\n"


def parse_text(text: str) -> dict[str, Any]:
    """Parses the text of a params.yaml; returns the values that differ from the defaults.

    Raises:
        ParamsError: the text is not a valid params.yaml.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-studio-") as scratch:
        path = Path(scratch) / "params.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            params = load_params(path, () if _names_data(text) else (f"data.uri={UNNAMED}",))
        except ParamsError as error:
            raise ParamsError(
                str(error).replace(f"{path} with --set", "params.yaml").replace(str(path), "params.yaml")
            ) from None
    return drop_defaults(params)


def parse_command(text: str, within: Callable[[str], Path]) -> dict[str, Any]:
    """Parses a command such as `darkroom run --set train.epochs=5`; returns the values that differ from the defaults.

    Args:
        text: the command.
        within: returns the resolved path of a params file, or raises an error if reading it is not allowed.

    Raises:
        ParamsError: the text is not such a command, or a value is invalid.
        StudioError: reading the params file is not allowed.
    """
    try:
        words = _split_command(text)
    except ValueError as error:
        raise ParamsError(f"A command such as darkroom run --data PHOTOS is expected; {error}.") from None
    if words[:1] != ["run"]:
        raise ParamsError(f"Only darkroom run can be pasted; found darkroom {' '.join(words[:1])}.")
    try:
        command = run_options(click.Command("run", add_help_option=False))
        options = command.make_context("run", words[1:]).params
    except click.UsageError as error:
        raise ParamsError(f"A command such as darkroom run --data PHOTOS is expected. {explain_usage(error)}") from None
    data, path = options["data"], options["params"]
    settings = with_shortcuts(options["settings"], options["preset"], options["minutes"])
    if path is not None:
        path = within(str(path))
    elif not data:
        data = UNNAMED
    return drop_defaults(read_params(data, path, settings))


def _split_command(text: str) -> list[str]:
    """Returns the words that follow `darkroom` in a command.

    Raises:
        ValueError: the command is not a darkroom command, or a quotation mark is not closed.
    """
    program, *words = shlex.split(text) or [""]
    if Path(program).name != "darkroom":
        raise ValueError(f"found {program!r}")
    return words


def drop_defaults(params: Params) -> dict[str, Any]:
    """Returns the values that differ from the defaults, without the data address if it is not set."""
    tree: dict[str, Any] = params.model_dump(mode="json", exclude_defaults=True)
    # An explicit value that equals the default is kept if a preset could choose a different one.
    set_keys = params.train.model_fields_set.intersection(PRESET_KEYS) - {"phases"}
    if set_keys:
        tree["train"] = params.train.model_dump(mode="json", include=set_keys) | tree.get("train", {})
    if tree.get("data") == {"uri": UNNAMED}:
        del tree["data"]
    return tree


def _names_data(text: str) -> bool:
    try:
        document = parse_yaml(text)
    except DocumentError:
        return True  # load_params reports the error
    return not isinstance(document, dict) or bool(document.get("data"))
