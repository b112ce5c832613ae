"""The command-line framework: options have types, help fits the terminal, and typos get a suggestion."""

import datetime
import os
import subprocess
import sys
import types
import typing
from pathlib import Path

import click
import pytest

from pipelines.cli.frame import CommandLineError
from pipelines.cli.main import SECTIONS, call, darkroom
from pipelines.cli.training import TryOption
from tests.support.command_line import list_commands, parse

COMMANDS = dict(list_commands())
IDS = [" ".join(words) for words in COMMANDS]
BUILT_IN = {"STRING": str, "INT": int, "FLOAT": float, "BOOL": bool}


def type_of(param: click.Parameter) -> object:
    """The type of the value that click passes to a command's function for an option or an argument."""
    kind = param.type
    if isinstance(kind, click.Path):
        value: object = Path
    elif isinstance(kind, click.Choice):
        value = str
    elif isinstance(kind, click.IntRange):
        value = int
    elif isinstance(kind, click.types.FuncParamType):
        function = kind.func
        value = typing.get_type_hints(function)["return"]
    else:
        value = BUILT_IN[repr(kind)]
    if param.multiple or param.nargs == -1:
        return tuple[value, ...]  # type: ignore[valid-type]
    has_value = param.required or param.to_info_dict()["default"] is not None or value is bool
    return value if has_value else typing.Union[value, None]  # noqa: UP007 - known only at run time


@pytest.mark.parametrize("words", COMMANDS, ids=IDS)
def test_a_commands_options_have_the_types_that_its_function_declares(words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    assert command.callback is not None
    hints = typing.get_type_hints(command.callback)
    hints.pop("return")
    declared = {
        name: typing.Union[hint] if isinstance(hint, types.UnionType) else hint  # noqa: UP007
        for name, hint in hints.items()
    }
    passed = {str(param.name): type_of(param) for param in command.params if param.expose_value}
    assert passed == declared


def test_the_type_of_an_option_without_a_default_includes_none() -> None:
    @click.command()
    @click.option("--port", type=int)
    def serve(port: int) -> None: ...

    assert type_of(serve.params[0]) == typing.Optional[int]  # noqa: UP045


def test_each_verb_is_in_exactly_one_section() -> None:
    names = [command.name for commands in SECTIONS.values() for command in commands]
    assert sorted(names) == sorted(darkroom.commands)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("words", [(), ("data",), ("model",), ("images",), *COMMANDS], ids=" ".join)
@pytest.mark.parametrize("columns", [80, 200])
def test_help_fits_the_terminal_and_keeps_defaults_on_one_line(
    words: tuple[str, ...], columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert call([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= min(columns, 80)
    assert text.isascii(), "help must be ASCII, which terminals with any encoding can show"
    for line in text.splitlines():
        _, found, rest = line.partition("[default: ")
        assert not found or "]" in rest, line


@pytest.mark.parametrize("group", [darkroom, *darkroom.commands.values()], ids=lambda group: group.name)
def test_help_lists_the_full_summary_of_each_command(group: click.Command, capsys: pytest.CaptureFixture[str]) -> None:
    words = [] if group is darkroom else [str(group.name)]
    call([*words, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for command in group.commands.values() if isinstance(group, click.Group) else ():
        assert f"{command.name} {' '.join(str(command.help).partition(chr(10) * 2)[0].split())}" in text


@pytest.mark.parametrize("words", COMMANDS, ids=IDS)
def test_every_option_is_described_in_a_sentence(words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    assert command.help
    for param in command.params:
        assert param.help, (words, param.name)
        assert param.help[0].isupper() or param.help.startswith("--"), (words, param.name)
        assert param.help.rstrip("]").endswith(".") or param.help.endswith("]"), (words, param.name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu"], "There is no verb 'rnu'. Did you mean run"),
        (["data", "dif"], "There is no action 'dif'. Did you mean diff? See: darkroom data --help"),
        (["run", "--dat", "x"], "There is no option '--dat'. Did you mean --data"),
        (["run", "--set", "--train.epochs=5"], "found '--train.epochs=5'. Write: --set train.epochs=5"),
        (["run", "--set"], "--set"),
        (["run", "--json=yes"], "--json"),
        (["runs", "more"], "unexpected extra argument (more). See: darkroom runs --help"),
        (["predict"], "PHOTO_OR_FOLDER... is required. See: darkroom predict --help"),
        (["data", "export", "photos"], "--format is required"),
        (["run", "--runner", "moon"], "'moon' is not one of 'subprocess', 'docker'"),
        (["run\x1b[31m"], r"There is no verb 'run\x1b[31m'"),
    ],
)
def test_an_invalid_command_line_is_rejected_in_one_line(words: list[str], message: str) -> None:
    with pytest.raises(CommandLineError) as error:
        call(words)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("words", [[], ["data"]], ids=["darkroom", "data"])
def test_a_missing_verb_or_action_prints_the_help_and_is_an_error(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(words) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.startswith("Usage: darkroom")) == ("", True)


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    from darkroom import __version__

    assert call(["--version"]) == 0
    assert capsys.readouterr().out == f"darkroom {__version__}\n"


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        (["--try", "a.b=1", "c.d=2", "--seeds", "2"], ["--try", "a.b=1\0c.d=2", "--seeds", "2"]),
        (["--try", "a.b=1", "--try", "c.d=2"], ["--try", "a.b=1", "--try", "c.d=2"]),
        (["run1", "--try", "a.b=x y", "c.d=2"], ["run1", "--try", "a.b=x y\0c.d=2"]),
        (["--try"], ["--try"]),
        (["--try", "--seeds", "2"], ["--try", "--seeds", "2"]),
        (["--try", "a.b=1", "--", "run1", "run2"], ["--try", "a.b=1", "--", "run1", "run2"]),
        (["run1", "run2"], ["run1", "run2"]),
    ],
)
def test_the_settings_after_each_try_option_are_joined(words: list[str], joined: list[str]) -> None:
    assert TryOption.join(words, "--try") == joined


def test_verbs_receive_the_parsed_values_of_their_options() -> None:
    compared = parse(["compare", "--try", "a.b=1", "c.d=2", "--try", "a.b=3", "--seeds", "2", "--data", "x"]).params
    assert (compared["trials"], compared["seeds"], compared["models"]) == ((("a.b=1", "c.d=2"), ("a.b=3",)), 2, ())
    assert parse(["drift", "log", "--since", "2026-01-31"]).params["since"] == datetime.date(2026, 1, 31)
    assert parse(["model", "check", "m.h5", "--image-size", "10x020"]).params["image_size"] == (10, 20)
    assert parse(["submit", "--no-cache", "--node-selector", "zone=a"]).params["node_labels"] == (("zone", "a"),)
    assert parse(["predict", "a", "--json", "b"]).params["paths"] == (Path("a"), Path("b"))


def complete(line: str, num_words: int) -> list[str]:
    environment = os.environ | {
        "_DARKROOM_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(num_words),
    }
    command = [sys.executable, "-m", "pipelines.cli.main"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [word.partition(",")[2] for word in result.stdout.splitlines()]


def test_a_shell_completes_verbs_options_and_choices() -> None:
    assert complete("darkroom ru", 1) == ["run", "runs"]
    assert complete("darkroom run --mem", 2) == ["--memory"]
    assert complete("darkroom run --runner ", 3) == ["subprocess", "docker"]
