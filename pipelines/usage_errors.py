"""Describes usage errors of a command line in plain sentences."""

from collections.abc import Sequence

import click


def explain_usage(error: click.UsageError) -> str:
    """Describes a usage error in one or two sentences."""
    if isinstance(error, click.NoSuchCommand):
        kind = "verb" if error.ctx is None or error.ctx.parent is None else "action"
        return f"There is no {kind} {error.command_name!r}.{_suggest(error.possibilities)}"
    if isinstance(error, click.NoSuchOption):
        return f"There is no option {error.option_name!r}.{_suggest(error.possibilities)}"
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"{_name(error.param, error.ctx)} is required."
    if isinstance(error, click.BadParameter) and error.param is not None:
        return f"{_name(error.param, error.ctx)}: {error.message.rstrip('.')}."
    return f"{error.format_message().rstrip('.')}."


def _name(param: click.Parameter, context: click.Context | None) -> str:
    if isinstance(param, click.Option):
        return param.opts[0]
    return param.make_metavar(context) if context is not None else param.human_readable_name


def _suggest(names: Sequence[str] | None) -> str:
    return f" Did you mean {' or '.join(names)}?" if names else ""
