"""The MLflow server of a cluster, as its manifest starts it, on a real PostgreSQL and an S3 store.

moto stands in for the S3 store; image, database, migration, proxied artifacts and host check are real.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from components.contract.system.address import driver_uri
from pipelines.images.build import image_name
from tests.support.container_engine import build
from tests.support.postgres import running_postgres
from tests.support.processes import free_port
from tests.support.source_tree import ROOT

pytestmark = [pytest.mark.docker, pytest.mark.proof]


def manifest() -> tuple[dict[str, Any], dict[str, str]]:
    """The pod of the server, and its settings."""
    documents = list(YAML(typ="safe").load_all((ROOT / "k8s" / "base" / "mlflow.yaml").read_text()))
    (settings,) = [document["data"] for document in documents if document["kind"] == "ConfigMap"]
    (pod,) = [document["spec"]["template"]["spec"] for document in documents if document["kind"] == "Deployment"]
    return pod, settings


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of an empty database, in a server of this test's own."""
    with running_postgres("mlflow") as address:
        yield address


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 store with the bucket that the manifest names."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(scope="module")
def mlflow_url(engine: None, postgres: str, s3: str) -> Iterator[str]:
    """The server as the manifest starts it, but for the addresses of its neighbors."""
    build("mlflow")
    pod, settings = manifest()
    port = free_port()
    hosts = f"{settings['MLFLOW_SERVER_ALLOWED_HOSTS']},127.0.0.1:{port}"
    variables = settings | {
        "MLFLOW_S3_ENDPOINT_URL": s3,
        "MLFLOW_SERVER_ALLOWED_HOSTS": hosts,
        "MLFLOW_BACKEND_STORE_URI": driver_uri(postgres),
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    make_bucket(variables, s3)
    common = [
        "docker",
        "run",
        "--rm",
        "--network",
        "host",
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--cap-drop",
        "ALL",
        *(word for name, value in variables.items() for word in ("--env", f"{name}={value}")),
    ]
    (migrate,), (serve,) = pod["initContainers"], pod["containers"]
    migration = [*common, image_name("mlflow"), *migrate["command"]]
    succeed(migration)  # on an empty database
    arguments = [str(port) if word == "5000" else word for word in serve["args"]]
    container = subprocess.run(
        [*common, "--detach", image_name("mlflow"), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        for _ in range(600):
            if status(f"http://127.0.0.1:{port}{serve['readinessProbe']['httpGet']['path']}") == 200:
                break
            time.sleep(0.1)
        succeed(migration)  # on the tables that the server has made
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run(["docker", "rm", "--force", container], check=False, capture_output=True)


def make_bucket(variables: dict[str, str], s3: str) -> None:
    """Runs the program of the job in k8s/overlays/local/s3.yaml, twice: it must find what it made."""
    documents = YAML(typ="safe").load_all((ROOT / "k8s" / "overlays" / "local" / "s3.yaml").read_text())
    (job,) = [document for document in documents if document["kind"] == "Job"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    for _ in range(2):
        command = [sys.executable, *container["command"][1:]]
        subprocess.run(command, check=True, env=os.environ | variables)


def succeed(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def status(url: str, host: str | None = None) -> int:
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    with contextlib.suppress(OSError):
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
    return 0


def test_runs_and_artifacts_go_through_the_server_alone(
    mlflow_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MLFLOW_S3_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    client = MlflowClient(mlflow_url)
    experiment = client.create_experiment("photos")
    run_id = client.create_run(experiment).info.run_id
    client.log_metric(run_id, "accuracy", 0.9)
    (tmp_path / "report.json").write_text(json.dumps({"accuracy": 0.9}))
    client.log_artifact(run_id, str(tmp_path / "report.json"), "evaluation")
    fetched = client.download_artifacts(run_id, "evaluation/report.json", str(tmp_path))
    assert json.loads(Path(fetched).read_text()) == {"accuracy": 0.9}
    run = client.get_run(run_id)
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert run.data.metrics == {"accuracy": 0.9}
    client.create_registered_model("photos")
    version = client.create_model_version("photos", f"runs:/{run_id}/bundle", run_id).version
    client.set_registered_model_alias("photos", "champion", version)
    assert client.get_model_version_by_alias("photos", "champion").run_id == run_id


@pytest.mark.parametrize(
    ("host", "expected"),
    [("mlflow.darkroom.svc.cluster.local:5000", 200), ("mlflow", 200), ("elsewhere.example.org", 403)],
)
def test_the_server_accepts_only_its_own_host_names(host: str, expected: int, mlflow_url: str) -> None:
    assert status(f"{mlflow_url}/api/2.0/mlflow/experiments/get?experiment_id=0", host) == expected
