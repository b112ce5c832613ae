"""A saved view of MLflow's list of runs that shows the headline figures; without it the list has no figures at all."""

import json
from typing import Final

COLUMNS: Final = (
    "metrics.`test/accuracy`",
    "metrics.`test/macro_f1`",
    "metrics.`validation/accuracy`",
    "tags.`darkroom.verdict`",
)
VIEW_KEY: Final = "darkroom"
VIEW_TAG: Final = f"mlflow.sharedViewState.{VIEW_KEY}"
"""Of an experiment. MLflow 3.17 lists its saved views from such tags, in the menu Views; earlier versions open them by
their address only."""
VIEW: Final = json.dumps(
    {"name": "Headlines", "createdAt": 0, "updatedAt": 0, "state": json.dumps({"selectedColumns": COLUMNS})}
)
ML_VIEWS: Final = "workflowType=machine_learning"
"""In an address; MLflow would open with its views for language models."""


def runs_route(experiment_id: str) -> str:
    """The part of an address behind MLflow's own: the runs of an experiment with their headline figures."""
    return f"#/experiments/{experiment_id}/runs?{ML_VIEWS}&viewStateShareKey={VIEW_KEY}"
