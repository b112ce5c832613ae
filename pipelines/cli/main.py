"""The `darkroom` command."""

import os
import re
import sys
from collections.abc import Sequence

import click

from components.contract.system import launcher
from components.contract.system.address import Address
from components.contract.system.program import exit_code, quiet_libraries
from pipelines.cli import browser, cluster, data, models, runs, serving, training
from pipelines.cli.frame import Verbs, run_command

SECTIONS = {
    "Photos": data.VERBS,
    "Training": training.VERBS,
    "Runs": runs.VERBS,
    "Models": models.VERBS,
    "Serving": serving.VERBS,
    "Containers and clusters": cluster.VERBS,
    "In a browser": browser.VERBS,
}


@click.command(
    "darkroom",
    cls=Verbs,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog="""\b
    Exit codes:
      0  done
      1  internal error
      2  error that you can fix
      3  not promoted (run --require-promotion), or drift detected (drift)
      4  too few photos to detect drift (drift)

    For completion in bash (zsh and fish also work), add this line to ~/.bashrc:

    \b
      eval "$(_DARKROOM_COMPLETE=bash_source darkroom)"
    """,
)
@click.version_option(package_name="darkroom", message="%(prog)s %(version)s", help="Print the version.")
def darkroom() -> None:
    """Develops a folder of labeled photos into a classifier that you can trust and serve."""


def main() -> None:
    """The entry point of the console script."""
    quiet_libraries()
    hide_addresses()
    sys.exit(exit_code(lambda: call(sys.argv[1:])))


def call(words: Sequence[str]) -> int:
    """Runs a command line that does not include the program name, and returns the exit code.

    Raises:
        CommandLineError: the command line cannot be parsed.
    """
    return run_command(darkroom, words)


def hide_addresses() -> None:
    """Restarts this program with redacted arguments if they contain a data address with a secret.

    Every user of the machine can see the arguments of a process, but not its environment.
    """
    words = sys.argv[1:]
    redacted_words = [redact_word(word) for word in words]
    if redacted_words != words:
        sys.stdout.flush()
        interpreter_options = sys.orig_argv[1 : len(sys.orig_argv) - len(words)]
        launcher.become([sys.executable, *interpreter_options, *redacted_words], os.environ)


def redact_word(word: str) -> str:
    """Redacts the address in an argument, and stores the full address in the environment."""
    start = re.search(r"[A-Za-z][A-Za-z0-9+.-]+:/|dvc\+", word)
    if start is None:
        return word
    option, address = word[: start.start()], word[start.start() :]
    quote = option[-1:] if option.endswith(('"', "'")) and address.endswith(option[-1:]) else ""
    return f"{option}{Address(address.removesuffix(quote))}{quote}"


if __name__ == "__main__":
    main()
