"""Parses `darkroom` command lines without running them."""

from collections.abc import Iterator, Sequence

import click

from pipelines.cli.main import darkroom


def parse(words: Sequence[str]) -> click.Context:
    """Parses the command line of a verb or an action.

    Raises:
        UsageError: the command line cannot be parsed.
    """
    command: click.Command = darkroom
    context = command.make_context("darkroom", list(words))
    while isinstance(command, click.Group):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    return context


def list_commands(
    group: click.Group = darkroom, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yields the names and the click command of every verb and action that can be run."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from list_commands(command, (*words, name))
        else:
            yield (*words, name), command


def options_of(words: Sequence[str]) -> set[str]:
    """Returns the options of a verb or of one of its actions."""
    (command,) = (command for names, command in list_commands() if names == tuple(words))
    return {option for param in command.params for option in (*param.opts, *param.secondary_opts) if option[0] == "-"}
