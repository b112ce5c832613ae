"""Runs compose.yaml: its servers become healthy, the studio's container trains, and the service answers."""

import json
import os
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.deploy.client import Client, Prediction
from tests.cluster.support.images import STAND_INS
from tests.support.artifacts import make_photos
from tests.support.container_engine import build, docker
from tests.support.source_tree import ROOT

pytestmark = [pytest.mark.docker, pytest.mark.proof]

NAMES = ("POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY", "DARKROOM_STUDIO_TOKEN", "DARKROOM_API_KEY")
POSTGRES = next(image for image in STAND_INS if image.startswith("postgres:"))
MLFLOW, STUDIO, SERVICE = (f"http://127.0.0.1:{port}" for port in (5000, 3001, 3000))


class Compose:
    """A Docker Compose project with generated secrets."""

    def __init__(self, folder: Path):
        self.secrets = {name: secrets.token_hex(24) for name in NAMES}
        self._environment = os.environ | self.secrets | {"PHOTOS_DIR": str(folder / "photos")}

    def __call__(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        command = ["docker", "compose", "--project-name", "darkroom-proof", *arguments]
        result = subprocess.run(command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0 or not check, result.stderr[-3000:]
        return result


@pytest.fixture(scope="module")
def plugin(engine: None) -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no Compose plugin: apt-get install docker-compose-v2")


@pytest.fixture(scope="module")
def compose(plugin: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    for image, script in STAND_INS.items():
        if not docker("images", "--quiet", image):
            subprocess.run([ROOT / "tests" / "cluster" / "support" / script, image], check=True)
    build("mlflow", "serve", "studio")
    folder = tmp_path_factory.mktemp("compose")
    make_photos(folder / "photos", size=(64, 64), per_class=30)
    for path in (folder, *folder.rglob("*")):  # in the container, another user reads the photos
        path.chmod(path.stat().st_mode | 0o555)
    compose = Compose(folder)
    try:
        yield compose
    finally:
        compose("--profile", "service", "down", "--volumes", "--remove-orphans", check=False)


def status_of(url: str) -> int:
    """Returns the HTTP status after redirects, which may set a cookie."""
    try:
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        return int(opener.open(url, timeout=20).status)
    except urllib.error.HTTPError as error:
        return error.code


def test_without_secrets_nothing_starts(plugin: None) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    command = ["docker", "compose", "--env-file", "/dev/null", "config", "--quiet"]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "is missing a value: see docs/compose.md" in result.stderr


def test_photos_become_a_served_model(compose: Compose) -> None:
    compose("up", "--no-start")
    # In the public image, the data folder belongs to the user postgres; in the stand-in, it does not.
    volume = "darkroom-proof_postgres:/data"
    docker("run", "--rm", "--user", "0", "--entrypoint", "chown", "--volume", volume, POSTGRES, "999:999", "/data")
    compose("up", "--detach", "--wait", "--wait-timeout", "600")
    assert status_of(f"{MLFLOW}/health") == 200
    assert status_of(STUDIO) == 401
    assert status_of(f"{STUDIO}/?token={compose.secrets['DARKROOM_STUDIO_TOKEN']}") == 200
    services = [json.loads(line) for line in compose("ps", "--format", "json").stdout.splitlines()]
    assert {service["Service"]: service["Health"] for service in services} == dict.fromkeys(
        ("postgres", "s3", "mlflow", "studio"), "healthy"
    )

    options = ("--set", "train.epochs=3", "--set", "deploy.model_name=colors", "--json")
    run = compose("exec", "-T", "studio", "darkroom", "run", "--data", "/photos", *options)
    summary = json.loads(run.stdout)
    assert summary["promoted"], summary["gate"]
    client_url = f"{MLFLOW}/api/2.0/mlflow/registered-models/alias?name=colors&alias=champion"
    version = json.loads(urllib.request.urlopen(client_url, timeout=20).read())["model_version"]
    assert version["run_id"] == summary["mlflow_run_id"]

    compose("--profile", "service", "up", "--detach", "--wait", "--wait-timeout", "300")
    photo = next(Path(compose._environment["PHOTOS_DIR"]).glob("red/*.png"))
    with Client(SERVICE, api_key=compose.secrets["DARKROOM_API_KEY"]) as client:
        (prediction,) = client.predict([photo])
        assert isinstance(prediction, Prediction)
        assert prediction.label == "red"
        client.send_feedback(str(prediction.id), "green")
    assert status_of(f"{SERVICE}/metrics") == 401


def test_stored_data_survives_a_restart(compose: Compose) -> None:
    compose("--profile", "service", "down")
    compose("--profile", "service", "up", "--detach", "--wait", "--wait-timeout", "600")
    deadline = time.monotonic() + 60
    while status_of(f"{SERVICE}/readyz") != 200:
        assert time.monotonic() < deadline
        time.sleep(1)
    client_url = f"{MLFLOW}/api/2.0/mlflow/registered-models/alias?name=colors&alias=champion"
    assert json.loads(urllib.request.urlopen(client_url, timeout=20).read())["model_version"]["version"] == "1"
