"""The framework of the command line: groups of verbs, plain help, and one-line usage errors."""

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import click
from click.shell_completion import shell_complete

from components.contract.errors import DarkroomError
from components.contract.system.posix import USER_ERROR
from pipelines.usage_errors import explain_usage

COMPLETION_VARIABLE: Final = "_DARKROOM_COMPLETE"
"""The environment variable through which a shell requests completions; click defines its name."""


UNBREAKABLE: Final = re.compile(r"\[[^\]]{1,50}\]|'[^']{1,50}'")
GLUE: Final = "\u00a0"
"""Replaces a space at which a line must not break."""


class CommandLineError(DarkroomError):
    """The command line cannot be parsed."""


def _print_help(context: click.Context, _: click.Parameter, is_requested: bool) -> None:
    """Prints the help with `print`, because click's `echo` bypasses the encoding of the terminal."""
    if is_requested and not context.resilient_parsing:
        print(context.get_help())
        context.exit()


class _Formatter(click.HelpFormatter):
    """Formats help without line breaks within a short default or an example."""

    def write_dl(self, rows: Iterable[tuple[str, str]], *args: int, **kwargs: int) -> None:
        """Writes names and their descriptions."""
        glued_rows = [(name, UNBREAKABLE.sub(lambda match: match[0].replace(" ", GLUE), text)) for name, text in rows]
        super().write_dl(glued_rows, *args, **kwargs)

    def getvalue(self) -> str:
        """Returns the formatted help."""
        return super().getvalue().replace(GLUE, " ")


class _Context(click.Context):
    formatter_class = _Formatter


class _Frame(click.Command):
    context_class = _Context

    def get_help_option(self, ctx: click.Context) -> click.Option:
        """Creates the option --help."""
        return click.Option(
            ctx.help_option_names,
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_help,
            help="Print this help.",
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses the arguments, and records in each usage error which command it belongs to."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise


class Verb(_Frame):
    """A verb such as `data`, or one of its actions, such as `data add`."""


class Verbs(_Frame, click.Group):
    """A group of verbs or actions; in the help, `sections` groups them under titles."""

    command_class = Verb

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[click.Command]] | None = None, **kwargs: Any):
        kwargs.setdefault("subcommand_metavar", "VERB ..." if sections else "ACTION ...")
        super().__init__(*args, **kwargs)
        self._sections = sections
        for command in (command for commands in (sections or {}).values() for command in commands):
            self.add_command(command)

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands, section by section, each with the first sentence of its help."""
        sections = self._sections or {"Actions": list(self.commands.values())}
        width = max(map(len, self.commands))
        for title, commands in sections.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(f"{command.name:<{width}}", command.get_short_help_str(limit=200)) for command in commands]
                )


def run_command(darkroom: click.Group, words: Sequence[str]) -> int:
    """Parses a command line and runs its verb; returns the exit code.

    Args:
        darkroom: the top-level command.
        words: the arguments, without the program name.

    Raises:
        CommandLineError: the command line cannot be parsed.
    """
    name = str(darkroom.name)
    if COMPLETION_VARIABLE in os.environ:
        return shell_complete(darkroom, {}, name, COMPLETION_VARIABLE, os.environ[COMPLETION_VARIABLE])
    try:
        with darkroom.make_context(name, list(words)) as context:
            return int(darkroom.invoke(context) or 0)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.ctx.get_help(), file=sys.stderr)
        return USER_ERROR
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else name
        raise CommandLineError(f"{explain_usage(error)} See: {command} --help") from None
