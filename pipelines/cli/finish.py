"""The verb `darkroom finish`: a training ends with what it has, and the run goes on."""

import argparse
from collections.abc import Callable

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_finish(verb: Verb) -> None:
    """Adds the verb."""
    finish = verb("finish", _finish, "end a training with its best epoch so far; the run goes on to its figures")
    finish.add_argument("run", nargs="?", metavar="RUN", help="a run that is under way; default: the only one")


def _finish(arguments: argparse.Namespace) -> int:
    run_id = ask_to_finish(arguments.run)
    print(f"{run_id} ends its training after the epoch that is under way.")
    return 0


def ask_to_finish(run_id: str | None) -> str:
    """Asks the training of a run to end; gives the run's id.

    Args:
        run_id: None for the only one that is under way.

    Raises:
        ArtifactError: there is none such, or several.
    """
    from components.contract.errors import ArtifactError
    from components.contract.system.atomic_files import write_file
    from components.contract.system.program import FINISH_FILE
    from pipelines.runners.runs import list_runs

    alive = {folder.path.name: folder for folder in list_runs() if folder.is_alive}
    chosen = [run_id] if run_id is not None else list(alive)
    if len(chosen) != 1 or chosen[0] not in alive:
        found = f"under way are {', '.join(alive)}" if alive else "none is under way here"
        raise ArtifactError(f"A run that is under way must be named; {found}.")
    write_file(alive[chosen[0]].path / FINISH_FILE, b"")
    return chosen[0]
