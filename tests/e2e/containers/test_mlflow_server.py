"""The cluster's MLflow server, started as in its manifest, with a PostgreSQL database and an S3 store.

moto replaces the S3 store; the image, database, migration, proxied artifacts and host check are real.
"""

import base64
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
from pipelines.runners.cluster.placement import MLFLOW_SECRET
from tests.contract.kubernetes.manifests import named, render_with
from tests.support.container_engine import build
from tests.support.postgres import PASSWORD, running_postgres
from tests.support.processes import free_port
from tests.support.source_tree import ROOT

pytestmark = [pytest.mark.docker, pytest.mark.proof]


def manifest() -> tuple[dict[str, Any], dict[str, str]]:
    """Returns the pod specification of the server, and its settings."""
    documents = list(YAML(typ="safe").load_all((ROOT / "k8s" / "base" / "mlflow.yaml").read_text()))
    (settings,) = [document["data"] for document in documents if document["kind"] == "ConfigMap"]
    (pod,) = [document["spec"]["template"]["spec"] for document in documents if document["kind"] == "Deployment"]
    return pod, settings


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of an empty database on a PostgreSQL server for this module."""
    with running_postgres("mlflow") as address:
        yield address


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an empty S3 store."""
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
    """The address of the server, started as in the manifest, but with this module's database and S3 store."""
    with serving(postgres, s3) as url:
        yield url


@contextlib.contextmanager
def serving(postgres: str, s3: str, *options: str) -> Iterator[str]:
    """Runs a server in the manifest's container; yields its address.

    Args:
        postgres: the address of the database.
        s3: the address of the store.
        options: options of `docker run`, then `--` and further arguments of the server.
    """
    build("mlflow")
    docker_options = options[: options.index("--")] if options else ()
    pod, settings = manifest()
    port = free_port()
    # Values in the secret darkroom-s3-env override the config map.
    secret = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "MLFLOW_S3_ENDPOINT_URL": s3,
        "AWS_DEFAULT_REGION": "eu-west-3",
        "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "path",
    }
    variables = {
        **settings,
        **secret,
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{settings['MLFLOW_SERVER_ALLOWED_HOSTS']},127.0.0.1:{port}",
        "MLFLOW_BACKEND_STORE_URI": driver_uri(postgres),
    }
    make_bucket(variables)
    common = [
        *("docker", "run", "--rm", "--network", "host", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),
        *(word for name, value in variables.items() for word in ("--env", f"{name}={value}")),
        *docker_options,
    ]
    (migrate,), (serve,) = pod["initContainers"], pod["containers"]
    migration = [*common, image_name("mlflow"), *migrate["command"]]
    succeed(migration)  # on an empty database
    arguments = [str(port) if word == "5000" else word for word in serve["args"]] + [
        *options[len(docker_options) + 1 :]
    ]
    container = subprocess.run(
        [*common, "--detach", image_name("mlflow"), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        for _ in range(1800):  # at least 180 s; the startup probe allows 600
            if status(f"http://127.0.0.1:{port}{serve['readinessProbe']['httpGet']['path']}") == 200:
                break
            time.sleep(0.1)
        succeed(migration)  # on a database whose tables the server has created
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run(["docker", "rm", "--force", container], check=False, capture_output=True)


def make_bucket(variables: dict[str, str]) -> None:
    """Runs the program of the Job in k8s/overlays/local/s3.yaml twice: it must accept an existing bucket."""
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


def test_a_client_needs_only_the_server_for_runs_and_artifacts(
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


def test_artifacts_are_in_the_store_and_region_that_the_secret_names(mlflow_url: str, s3: str, tmp_path: Path) -> None:
    import boto3
    from mlflow import MlflowClient

    client = MlflowClient(mlflow_url)
    run_id = client.create_run(client.create_experiment("stored")).info.run_id
    (tmp_path / "note.txt").write_text("stored")
    client.log_artifact(run_id, str(tmp_path / "note.txt"))
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "eu-west-3"}
    store = boto3.client("s3", endpoint_url=s3, **keys)
    stored_names = [entry["Key"] for entry in store.list_objects_v2(Bucket="mlflow")["Contents"]]
    assert [name for name in stored_names if name.endswith(f"{run_id}/artifacts/note.txt")]
    assert store.get_bucket_location(Bucket="mlflow")["LocationConstraint"] == "eu-west-3"


@pytest.fixture(scope="module")
def guarded_url(engine: None, s3: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with the component mlflow-auth, an administrator, and a user for the tasks."""
    scratch = tmp_path_factory.mktemp("guarded")
    manifests = render_with("overlays/local", "mlflow-auth", scratch)
    (settings,) = named(manifests, "ConfigMap", "mlflow-auth")["data"].values()
    (container,) = named(manifests, "Deployment", "mlflow")["spec"]["template"]["spec"]["containers"]
    with running_postgres("mlflow") as address:
        host = address.rpartition("@")[2]
        assert "darkroom@postgres:5432/mlflow" in settings
        (scratch / "basic_auth.ini").write_text(settings.replace("postgres:5432/mlflow", host))
        (scratch / "basic_auth.ini").chmod(0o644)
        scratch.chmod(0o755)
        secrets = {
            "PGPASSWORD": PASSWORD,
            "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
            "MLFLOW_AUTH_ADMIN_PASSWORD": "of-the-administrator",
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "of-the-sessions",
        }
        names = {entry["name"] for entry in container["env"] if "valueFrom" in entry} - {"POSTGRES_PASSWORD"}
        assert names == set(secrets)
        variables = secrets | {"MLFLOW_AUTH_CONFIG_PATH": "/etc/mlflow/basic_auth.ini"}
        options = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
        options += [
            "--volume",
            f"{scratch / 'basic_auth.ini'}:/etc/mlflow/basic_auth.ini:ro",
            "--",
            container["args"][-1],
        ]
        with serving(address, s3, *options) as url:
            create_user(url, "darkroom", "of-the-tasks")
            yield url


def create_user(url: str, name: str, password: str) -> None:
    """Creates a user as the administrator, with the same request as in the guide."""
    request = urllib.request.Request(
        f"{url}/api/2.0/mlflow/users/create", json.dumps({"username": name, "password": password}).encode()
    )
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", f"Basic {base64.b64encode(b'admin:of-the-administrator').decode()}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def test_mlflow_requires_a_login_except_for_probes(guarded_url: str) -> None:
    assert status(f"{guarded_url}/health") == 200
    assert status(f"{guarded_url}/api/2.0/mlflow/experiments/get?experiment_id=0") == 401
    assert status(f"{guarded_url}/api/2.0/mlflow-artifacts/artifacts") == 401


def test_a_task_logs_in_and_owns_its_runs(guarded_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    monkeypatch.setenv(MLFLOW_SECRET["username"], "darkroom")
    monkeypatch.setenv(MLFLOW_SECRET["password"], "of-the-tasks")
    client = MlflowClient(guarded_url)
    run_id = client.create_run(client.create_experiment("photos")).info.run_id
    (tmp_path / "note.txt").write_text("by a task")
    client.log_artifact(run_id, str(tmp_path / "note.txt"))
    assert Path(client.download_artifacts(run_id, "note.txt", str(tmp_path))).read_text() == "by a task"
    client.create_registered_model("photos")
    client.create_model_version("photos", f"runs:/{run_id}/bundle", run_id)
    client.set_registered_model_alias("photos", "champion", "1")

    create_user(guarded_url, "guest", "of-nobody-in-particular")
    monkeypatch.setenv(MLFLOW_SECRET["username"], "guest")
    monkeypatch.setenv(MLFLOW_SECRET["password"], "of-nobody-in-particular")
    guest = MlflowClient(guarded_url)
    assert guest.get_run(run_id).info.run_id == run_id, "other users must be able to read the run"
    with pytest.raises(MlflowException, match=r"403|[Pp]ermission"):
        guest.set_registered_model_alias("photos", "champion", "1")
    monkeypatch.setenv(MLFLOW_SECRET["password"], "wrong")
    with pytest.raises(MlflowException, match=r"401|[Aa]uthenticat"):
        MlflowClient(guarded_url).get_run(run_id)
