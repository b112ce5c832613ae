"""The text of a draft: written as params.yaml, and read from params.yaml or from a command."""

import argparse
import contextlib
import io
import shlex
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from components.contract.errors import ParamsError
from components.contract.foreign.documents import DocumentError, parse_yaml
from components.contract.params.pipeline import Params, load_params
from pipelines.run_options import add_run_options, read_params

UNNAMED: Final = "unnamed"
"""Stands for the data while none are chosen, so that the rest can be checked."""


def dump_yaml(tree: Mapping[str, Any]) -> str:
    """The text of a params.yaml."""
    from ruamel.yaml import YAML

    if not tree:
        return "# Every value is its default.\n"
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 120
    text = io.StringIO()
    yaml.dump(dict(tree), text)
    return text.getvalue()


def parse_text(text: str) -> dict[str, Any]:
    """What differs from the defaults in the text of a params.yaml.

    Raises:
        ParamsError: it is no params.yaml.
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
    """What differs from the defaults in a command such as `darkroom run --data PHOTOS --set train.epochs=5`.

    Args:
        text: the command.
        within: gives the path of a params file if it may be read.

    Raises:
        ParamsError: it is no such command, or a value cannot be.
        StudioError: the params file may not be read.
    """
    output = io.StringIO()
    try:
        words = _split_command(text)
        if words[:1] == ["run"]:
            with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
                arguments = _build_parser().parse_args(words)
    except (ValueError, SystemExit):
        reason = (output.getvalue().strip().splitlines() or ["it cannot be read"])[-1]
        raise ParamsError(f"A command such as darkroom run --data PHOTOS is expected; {reason}") from None
    if words[:1] != ["run"]:
        raise ParamsError(f"Only darkroom run can be taken over; found darkroom {' '.join(words[:1])}.")
    if arguments.params is not None:
        arguments.params = within(str(arguments.params))
    arguments.data = arguments.data or UNNAMED if arguments.params is None else arguments.data
    return drop_defaults(read_params(arguments))


def _split_command(text: str) -> list[str]:
    """The words of a command after `darkroom`.

    Raises:
        ValueError: it is another program, or a quotation mark is not closed.
    """
    program, *words = shlex.split(text) or [""]
    if Path(program).name != "darkroom":
        raise ValueError
    return words


def _build_parser() -> argparse.ArgumentParser:
    """Parses `run` with its options; every other verb is left to the check of its name."""
    parser = argparse.ArgumentParser(prog="darkroom")
    add_run_options(parser.add_subparsers(required=True).add_parser("run"))
    return parser


def drop_defaults(params: Params) -> dict[str, Any]:
    """What differs from the defaults; no data where they are unnamed."""
    tree: dict[str, Any] = params.model_dump(mode="json", exclude_defaults=True)
    if tree.get("data") == {"uri": UNNAMED}:
        del tree["data"]
    return tree


def _names_data(text: str) -> bool:
    try:
        document = parse_yaml(text)
    except DocumentError:
        return True  # load_params says what is wrong
    return not isinstance(document, dict) or bool(document.get("data"))
