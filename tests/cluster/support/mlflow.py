"""The MLflow of the cluster, as a client on this machine sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.cluster.support.kubectl import forwarded


@contextmanager
def mlflow_client() -> Iterator[Any]:
    from mlflow import MlflowClient

    # The server knows itself as 127.0.0.1:5000, and refuses other names and ports.
    with forwarded("mlflow", port=5000, local=5000) as url:
        yield MlflowClient(url)


def find_runs(client: Any, key: str) -> list[Any]:
    """The MLflow runs of a pipeline run."""
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    runs: list[Any] = client.search_runs(ids, f"tags.darkroom.run_key = '{key}'")
    return runs
