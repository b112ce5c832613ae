"""Promotes the model of a finished run."""

import os
from typing import TYPE_CHECKING

from components.contract.artifacts.bento import ServiceFacts
from components.contract.artifacts.evaluation import read_evaluation
from components.contract.system.atomic_files import read_json
from components.contract.tracking.store_address import tracking_uri
from pipelines.runners.run_notes import write_promotion
from pipelines.runners.runs import find_run

if TYPE_CHECKING:
    from components.deploy.release.registry import Registration


def promote(run: str) -> "Registration":
    """Makes the model of a run the champion, if the run's verdict allows it.

    Args:
        run: a run id, or `latest`.

    Raises:
        ArtifactError: there is no such finished run.
        TrackingError: the registry cannot be reached.
    """
    from components.deploy.release.registry import register

    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
    run_dir = find_run(run).path
    evaluation = read_evaluation(run_dir / "evaluation")
    bento_dir = run_dir / "bento" / "bento"
    facts = read_json(bento_dir / "src" / "service.json", ServiceFacts, "bento")
    registration = register(evaluation.model_name, facts, evaluation.gate, bento_dir=bento_dir)
    write_promotion(run_dir, promoted=registration.promoted, reason=registration.reason)
    return registration
