"""The verb `darkroom finish`: a training ends with what it has, and the run goes on."""

import argparse
from collections.abc import Callable

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_finish(verb: Verb) -> None:
    """Adds the verb."""
    finish = verb("finish", _finish, "end a training with its best epoch so far; the run goes on to its figures")
    finish.add_argument("run", nargs="?", metavar="RUN", help="a run that is under way; default: the only one")


def _finish(arguments: argparse.Namespace) -> int:
    from pipelines.runners.runs import ask_to_finish

    run_id = ask_to_finish(arguments.run)
    print(f"{run_id} ends its training after the epoch that is under way.")
    return 0
