"""The compiled pipeline: resources, users, secrets, volumes, retries and caching of every task."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from components.contract.params.pipeline import Params, load_params
from components.contract.params.resolve import resolve
from pipelines.images.build import image_name
from pipelines.runners.cluster.compilation import compile_pipeline
from pipelines.runners.cluster.placement import (
    DEMANDS,
    ROLLOUT_ACCOUNT_DIR,
    ROLLOUT_SECRET,
    SETTINGS_VARIABLES,
    STEP_LABEL,
    Placement,
)

ROOT = Path(__file__).parents[5]
DIGEST = "registry.example.org/team/darkroom-train-python@sha256:" + "0" * 64


def compile_documents(placement: Placement, params: Params, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns both documents in the compiled file: the pipeline, and the Kubernetes settings of its executors."""
    compile_pipeline(params, folder / "pipeline.yaml", placement)
    pipeline, platform = YAML(typ="safe").load_all((folder / "pipeline.yaml").read_text())
    return pipeline, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


@pytest.fixture(scope="module")
def documents(params: Params, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    placement = Placement(
        images={"train": DIGEST}, gpus=2, node_selector={"zone": "b"}, memory="16Gi", data_claim="photos"
    )
    return compile_documents(placement, params, tmp_path_factory.mktemp("compiled"))


def container(pipeline: dict[str, Any], step: str) -> dict[str, Any]:
    container_spec: dict[str, Any] = pipeline["deploymentSpec"]["executors"][f"exec-{step}"]["container"]
    return container_spec


def inner_tasks(pipeline: dict[str, Any]) -> dict[str, Any]:
    tasks: dict[str, Any] = pipeline["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    return tasks


def test_train_gets_its_gpus_in_both_documents(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    pipeline, executors = documents
    accelerator = container(pipeline, "train")["resources"]["accelerator"]
    assert (accelerator["resourceType"], accelerator["resourceCount"]) == ("nvidia.com/gpu", "2")
    assert executors["exec-train"]["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
    assert executors["exec-train"]["nodeSelector"] == {"labels": {"zone": "b"}}
    for step in ("preprocess", "evaluate", "deploy", "close"):
        assert "accelerator" not in container(pipeline, step).get("resources", {})
        assert "tolerations" not in executors[f"exec-{step}"]


def test_every_task_runs_as_an_unprivileged_user_and_for_a_limited_time(
    documents: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    pipeline, executors = documents
    assert set(executors) == set(pipeline["deploymentSpec"]["executors"])
    for executor in executors.values():
        assert executor["securityContext"] == {"runAsUser": "10001", "runAsGroup": "10001", "runAsNonRoot": True}
        assert int(executor["activeDeadlineSeconds"]) > 0


def test_every_task_finds_its_mlflow_run_without_an_argument(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    for executor in documents[1].values():
        assert executor["fieldPathAsEnv"] == [
            {"name": "DARKROOM_RUN_KEY", "fieldPath": "metadata.labels['pipeline/runid']"}
        ]
        (settings,) = executor["configMapAsEnv"]
        assert {entry["envVar"] for entry in settings["keyToEnv"]} == set(SETTINGS_VARIABLES)


S3_VARIABLES = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION"),
    "DARKROOM_S3_ADDRESSING_STYLE",
)


def test_only_preprocess_gets_storage_credentials_and_only_preprocess_and_train_get_volumes(
    documents: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    for name, executor in documents[1].items():
        variables = {entry["envVar"] for secret in executor["secretAsEnv"] for entry in secret["keyToEnv"]}
        claims = [mount["constant"] for mount in executor.get("pvcMount", [])]
        for variable in (*S3_VARIABLES, "DARKROOM_ADDRESSES"):
            assert (variable in variables) == (name == "exec-preprocess")
        assert claims == {"exec-preprocess": ["photos"], "exec-train": ["photos", "darkroom-cache"]}.get(name, [])


def test_all_tune_and_train_tasks_mount_the_data_claim(tmp_path: Path) -> None:
    unresolved_params = load_params(ROOT / "params.yaml", ("data.uri=/data/photos", "tune.trials=4", "tune.workers=2"))
    params = resolve(unresolved_params, native_size=(8, 8), data_name="digits").params
    pipeline, executors = compile_documents(Placement(data_claim="photos"), params, tmp_path)
    search_tasks = [name for name in executors if "tune" in name or "train" in name]
    assert len(search_tasks) >= 2, "there must be a tune task and the train task"
    for name, executor in executors.items():
        mounts = {mount["constant"]: mount["mountPath"] for mount in executor.get("pvcMount", [])}
        assert (mounts.get("photos") == "/data") == (name in (*search_tasks, "exec-preprocess")), name
    assert set(executors) == set(pipeline["deploymentSpec"]["executors"])


def test_train_has_shared_memory_and_a_cache_that_outlives_its_pod(
    documents: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    pipeline, executors = documents
    assert executors["exec-train"]["emptyDirMounts"] == [
        {"volumeName": "shm", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "1Gi"}
    ]
    assert {"name": "DARKROOM_CACHE", "value": "/cache"} in container(pipeline, "train")["env"]


def test_memory_limits_and_retries_are_set(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    pipeline, _ = documents
    assert container(pipeline, "train")["resources"]["resourceMemoryLimit"] == "16Gi"
    assert container(pipeline, "evaluate")["resources"]["resourceMemoryLimit"] == DEMANDS["evaluate"].memory
    for step, task in inner_tasks(pipeline).items():
        retry = task["retryPolicy"]
        assert retry["maxRetryCount"] == DEMANDS[step].retries
        assert (retry["backoffDuration"], retry["backoffFactor"]) == ("30s", 2.0)


@pytest.mark.parametrize(
    ("cpu", "request_", "limit"), [(None, "2", "8"), ("1", "1", "8"), ("500m", "500m", "8"), ("16", "16", "16")]
)
def test_train_requests_the_cores_of_the_placement(
    cpu: str | None, request_: str, limit: str, params: Params, tmp_path: Path
) -> None:
    pipeline, _ = compile_documents(Placement(cpu=cpu), params, tmp_path)
    resources = container(pipeline, "train")["resources"]
    assert (resources["resourceCpuRequest"], resources["resourceCpuLimit"]) == (request_, limit)
    assert container(pipeline, "evaluate")["resources"]["resourceCpuRequest"] == DEMANDS["evaluate"].cpu


def test_the_final_task_waits_for_all_others_and_gets_their_status(
    documents: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    close = documents[0]["root"]["dag"]["tasks"]["close"]
    assert close["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    assert close["inputs"]["parameters"]["status"]["taskFinalStatus"]["producerTask"] == "exit-handler-1"
    assert "enableCache" not in close["cachingOptions"]


def test_pushed_images_are_used(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    assert container(documents[0], "train")["image"] == DIGEST
    assert container(documents[0], "deploy")["image"] == image_name("deploy")


@pytest.mark.parametrize(("cache", "cached_steps"), [(True, {"preprocess", "train", "evaluate"}), (False, set())])
def test_deploy_is_never_cached_and_other_tasks_only_if_the_cache_is_on(
    cache: bool, cached_steps: set[str], params: Params, tmp_path: Path
) -> None:
    pipeline, _ = compile_documents(Placement(cache=cache), params, tmp_path)
    tasks = inner_tasks(pipeline)
    assert {name for name, task in tasks.items() if task["cachingOptions"].get("enableCache")} == cached_steps


def test_every_pod_has_the_label_of_its_step(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    for name, executor in documents[1].items():
        assert executor["podMetadata"]["labels"] == {STEP_LABEL: name.removeprefix("exec-")}


@pytest.mark.parametrize("rollout", [None, "darkroom/darkroom-serve"])
def test_only_deploy_gets_the_rollout_token_and_the_api_key_and_only_for_a_rollout(
    rollout: str | None, params: Params, tmp_path: Path
) -> None:
    _, executors = compile_documents(Placement(rollout=rollout), params, tmp_path)
    volumes = {name: executor.get("secretAsVolume", []) for name, executor in executors.items()}
    mounted = {
        name: [(entry["secretName"], entry["mountPath"]) for entry in entries] for name, entries in volumes.items()
    }
    token = [(ROLLOUT_SECRET, ROLLOUT_ACCOUNT_DIR)] if rollout else []
    assert mounted == {name: token if name == "exec-deploy" else [] for name in executors}
    has_key = {
        name
        for name, executor in executors.items()
        if "DARKROOM_API_KEY" in [entry["envVar"] for secret in executor["secretAsEnv"] for entry in secret["keyToEnv"]]
    }
    assert has_key == ({"exec-deploy"} if rollout else set())
