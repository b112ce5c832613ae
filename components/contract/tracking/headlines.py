"""A saved view that shows the headline figures as columns in MLflow's list of runs; by default, the list shows none."""

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
"""The tag of an experiment that stores the view. MLflow 3.17 lists the views in such tags in its Views menu; in earlier
versions, a view can be opened only by its address."""
VIEW: Final = json.dumps(
    {"name": "Headlines", "createdAt": 0, "updatedAt": 0, "state": json.dumps({"selectedColumns": COLUMNS})}
)
ML_VIEWS: Final = "workflowType=machine_learning"
"""A query parameter; without it, MLflow opens its views for language models."""


def runs_route(experiment_id: str) -> str:
    """The route to an experiment's runs with their headline figures, to append to MLflow's address."""
    return f"#/experiments/{experiment_id}/runs?{ML_VIEWS}&viewStateShareKey={VIEW_KEY}"
