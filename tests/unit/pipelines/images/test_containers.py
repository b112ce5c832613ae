"""Local runs with containers: the mounts and settings of the containers, and the explanations of exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.contract.artifacts.dataset import Source
from components.contract.params.model import ModelParams
from components.contract.params.pipeline import Params, load_params
from components.contract.params.resolve import resolve
from components.contract.system.program import EVENTS_VARIABLE
from pipelines.images.build import image_name
from pipelines.runners import docker
from pipelines.runners.container_deaths import explain_end
from pipelines.runners.docker import Limits, plan_containers

ROOT = Path(__file__).parents[4]


def run(*arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pipelines.cli.main", "run", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=os.environ | environment)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runner", "docker"], "A running container engine is needed for --runner docker; none answers"),
        (
            ["--memory", "4g"],
            "--memory and --gpus apply to containers, which this run does not use; add --runner docker",
        ),
    ],
)
def test_a_run_does_not_start_if_the_engine_is_missing_or_limits_are_set_without_containers(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    from tests.support.artifacts import make_photos

    make_photos(tmp_path / "photos", per_class=4)
    result = run("--data", "photos", *arguments, cwd=tmp_path, DOCKER_HOST=f"unix://{tmp_path}/no.sock")
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("code", "out_of_memory", "expected"),
    [
        (137, True, "killed because it ran out of memory (exit code 137). Allow more memory with --memory"),
        (1, True, "killed because it ran out of memory (exit code 1)"),
        (137, False, "(exit code 137) was killed by the system (SIGKILL), most likely out of memory"),
        (143, False, "(exit code 143) was ended by SIGTERM"),
    ],
)
def test_exit_codes_are_explained(code: int, out_of_memory: bool, expected: str) -> None:
    assert expected in explain_end(code, out_of_memory=out_of_memory)


@pytest.fixture
def params(tmp_path: Path) -> Params:
    (tmp_path / "photos").mkdir()
    loaded_params = load_params(ROOT / "params.yaml", (f"data.uri={tmp_path / 'photos'}",))
    return resolve(loaded_params, native_size=(8, 8), data_name="digits").params


def test_containers_read_the_photos_and_write_to_the_run_and_the_store(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {
        EVENTS_VARIABLE: str(tmp_path / "runs" / "r1" / "events.jsonl"),
        "MLFLOW_RUN_ID": "abc",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/store/mlflow.db",
        "DARKROOM_CACHE": "cache",
        "SECRET": "no",
    }
    containers = plan_containers(Path("runs/r1"), params, environment, Limits(memory="2g", gpus=1))
    assert containers.readable == (str(tmp_path / "photos"),)
    assert set(containers.writable) == {str(tmp_path / name) for name in ("runs/r1", ".darkroom", "store", "cache")}
    assert containers.environment["MLFLOW_RUN_ID"] == "abc"
    assert "SECRET" not in containers.environment
    origin = Source.model_validate_json(containers.environment["DARKROOM_ORIGIN"])
    assert origin.uri == str(tmp_path / "photos")

    arguments = docker.Containers.from_json(json.loads(json.dumps(containers.to_json()))).run_arguments()
    assert arguments["labels"] == {docker.RUN_LABEL: "r1"}
    assert (arguments["mem_limit"], arguments["memswap_limit"]) == ("2g", "2g")
    assert arguments["read_only"]
    assert arguments["network_mode"] is None
    writable = {mount["Target"]: not mount["ReadOnly"] for mount in arguments["mounts"]}
    assert writable == dict.fromkeys(containers.writable, True) | {str(tmp_path / "photos"): False}


def test_a_repository_on_this_machine_is_mounted_as_a_whole(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To fetch `dvc+<repository>@<revision>:<path>`, a container also reads the repository's .git and .dvc folders."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "repository").mkdir()
    for uri, readable in (
        (f"dvc+{tmp_path}/repository@main:data/pets", (str(tmp_path / "repository"),)),
        ("dvc+https://example.org/pets.git@main:data/pets", ()),
        ("s3://bucket/pets", ()),
    ):
        run_params = params.model_copy(update={"data": params.data.model_copy(update={"uri": uri})})
        containers = plan_containers(Path("runs/r1"), run_params, {EVENTS_VARIABLE: "events"}, Limits())
        assert containers.readable == readable
        assert "DARKROOM_ORIGIN" not in containers.environment


def test_containers_use_the_host_network_if_the_mlflow_server_is_on_this_machine(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for uri, mode in (("http://127.0.0.1:5000", "host"), ("https://mlflow.example.org", None)):
        environment = {EVENTS_VARIABLE: "events", "MLFLOW_TRACKING_URI": uri}
        arguments = plan_containers(Path("runs/r1"), params, environment, Limits()).run_arguments()
        assert arguments["network_mode"] == mode


@pytest.mark.parametrize("key", ["path", "from", "weights"])
def test_containers_can_read_local_model_files(
    key: str, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").touch()
    name = {"name": "MobileNetV2"} if key == "weights" else {}
    model = ModelParams.model_validate({key: str(tmp_path / "mine")} | name)
    params = params.model_copy(update={"train": params.train.model_copy(update={"model": model})})
    containers = plan_containers(Path("runs/r1"), params, {EVENTS_VARIABLE: "events"}, Limits())
    assert set(containers.readable) == {str(tmp_path / "photos"), str(tmp_path / "mine")}


def test_tune_and_train_use_the_cuda_image_if_gpus_are_requested() -> None:
    from pipelines.runners.docker import use_gpu_image
    from pipelines.training import training

    pipeline = training.__wrapped__(1)
    use_gpu_image(pipeline)
    executors = pipeline.pipeline_spec.deployment_spec["executors"]
    images = {name.removeprefix("exec-"): executors[name]["container"]["image"] for name in list(executors)}
    assert {step for step, image in images.items() if image == image_name("train", gpu=True)} == {"tune", "train"}
    assert images["evaluate"] == image_name("evaluate")
