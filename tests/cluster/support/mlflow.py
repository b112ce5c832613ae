"""An MLflow client on this machine for the MLflow server in the cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from tests.cluster.support.kubectl import forwarded


@contextmanager
def mlflow_client() -> Iterator[Any]:
    from mlflow import MlflowClient

    _name_server()
    with forwarded("mlflow", port=5000) as url:
        yield MlflowClient(url)


@cache
def _name_server() -> None:
    """Makes MLflow's client send the Host header 127.0.0.1:5000, because the server refuses other local ports."""
    from mlflow.tracking.request_header.abstract_request_header_provider import RequestHeaderProvider
    from mlflow.tracking.request_header.registry import _request_header_provider_registry

    class HostProvider(RequestHeaderProvider):
        def in_context(self) -> bool:
            return True

        def request_headers(self) -> dict[str, str]:
            return {"Host": "127.0.0.1:5000"}

    _request_header_provider_registry.register(HostProvider)


def find_runs(client: Any, key: str) -> list[Any]:
    """Returns the MLflow runs that belong to a pipeline run."""
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    runs: list[Any] = client.search_runs(ids, f"tags.darkroom.run_key = '{key}'")
    return runs
