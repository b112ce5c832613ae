"""Counts how many models were scored on the same test photos, using the tags of their MLflow runs."""

import hashlib
import logging

from components.contract.artifacts.dataset import Split
from components.contract.tracking.store import reason_of

log = logging.getLogger(__name__)

TEST_SET_TAG = "darkroom.test_set"
"""The tag that identifies, for an MLflow run, the test photos on which the model was scored."""


def hash_test_set(split: Split) -> str:
    """A hash that identifies a set of test photos and their labels, regardless of their order."""
    lines = sorted(f"{image_id} {label}" for image_id, label in zip(split.image_ids, split.labels, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def count_looks(split: Split, run_id: str | None) -> int:
    """How many models have been scored on these test photos, including the model of this run.

    Each evaluation sets a tag on its MLflow run, so that no model is missed or counted twice, even if several models
    are scored at the same time.

    Raises:
        Exception: the store does not answer. MLflow raises its own errors and those of the libraries it uses.
    """
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client = MlflowClient()
    experiments = [experiment.experiment_id for experiment in client.search_experiments(view_type=ViewType.ALL)]
    query = f"tags.`{TEST_SET_TAG}` = '{hash_test_set(split)}'"
    run_ids: set[str] = set()
    token = None
    while token != "":
        page = client.search_runs(experiments, query, ViewType.ALL, max_results=1000, page_token=token)
        run_ids |= {run.info.run_id for run in page}
        token = page.token or ""
    return len(run_ids - {run_id}) + 1


def try_count_looks(split: Split, run_id: str | None) -> int | None:
    """Like `count_looks`, but logs a warning and returns None if the store does not answer."""
    try:
        return count_looks(split, run_id)
    except Exception as error:  # any error that `count_looks` raises
        log.warning("MLflow did not report how often these test photos have been used: %s.", reason_of(error))
        return None
