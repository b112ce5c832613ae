"""`darkroom promote`: asks the gate once more whether a run's model becomes champion."""

import argparse
import os
from collections.abc import Callable

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_promote(verb: Verb) -> None:
    """Adds the verb."""
    promote = verb("promote", _promote, "make a run's model champion, if its verdict lets it")
    promote.add_argument("run", nargs="?", default="latest", metavar="RUN", help="a run id; default: %(default)s")
    promote.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _promote(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from components.contract.artifacts.bento import ServiceFacts
    from components.contract.artifacts.evaluation import read_evaluation
    from components.contract.system.atomic_files import read_json
    from components.contract.tracking.store_address import tracking_uri
    from components.deploy.release.registry import register
    from pipelines.cli import show
    from pipelines.runners.runs import find_run

    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
    run = find_run(arguments.run).path
    evaluation = read_evaluation(run / "evaluation")
    facts = read_json(run / "bento" / "bento" / "src" / "service.json", ServiceFacts, "bento")
    registration = register(evaluation.model_name, facts, evaluation.gate)
    if arguments.json:
        show.as_json(asdict(registration))
    else:
        show.line(registration.reason)
    return 0
