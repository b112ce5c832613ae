"""The pipeline on a cluster: how it is compiled, submitted and followed, and what is said when that cannot be."""

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from components.contract.errors import DataError
from components.contract.params.pipeline import Params, load_params
from components.contract.params.resolve import resolve
from pipelines.images.build import image_name
from pipelines.runners.cluster import submission as cluster
from pipelines.runners.cluster.placement import DEMANDS, SETTINGS_VARIABLES, Placement
from pipelines.runners.cluster.submission import ClusterError, Server
from tests.kfp_server import RECORDED_RUNS, StandIn, serving

ROOT = Path(__file__).parents[5]
DIGEST = "registry.example.org/team/darkroom-train-python@sha256:" + "0" * 64


@pytest.fixture(scope="module")
def params() -> Params:
    given = load_params(ROOT / "params.yaml", ("data.uri=s3://bucket/photos",))
    return resolve(given, native_size=(8, 8), data_name="digits").params


def compiled(placement: Placement, params: Params, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both documents: the pipeline, and its executors' Kubernetes settings."""
    cluster.compile_pipeline(params, folder / "pipeline.yaml", placement)
    pipeline, platform = YAML(typ="safe").load_all((folder / "pipeline.yaml").read_text())
    return pipeline, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


@pytest.fixture(scope="module")
def documents(params: Params, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    placement = Placement(
        images={"train": DIGEST}, gpus=2, node_selector={"zone": "b"}, memory="16Gi", data_claim="photos"
    )
    return compiled(placement, params, tmp_path_factory.mktemp("placed"))


def container(pipeline: dict[str, Any], step: str) -> dict[str, Any]:
    found: dict[str, Any] = pipeline["deploymentSpec"]["executors"][f"exec-{step}"]["container"]
    return found


def inner_tasks(pipeline: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pipeline["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    return found


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


def test_every_task_runs_as_a_user_without_rights_and_for_a_limited_time(
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


def test_only_preprocess_sees_the_keys_of_the_photos_and_training_the_weights_beside_them(
    documents: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    for name, executor in documents[1].items():
        variables = {entry["envVar"] for secret in executor["secretAsEnv"] for entry in secret["keyToEnv"]}
        claims = [mount["constant"] for mount in executor.get("pvcMount", [])]
        for secret in ("AWS_SECRET_ACCESS_KEY", "DARKROOM_ADDRESSES"):
            assert (secret in variables) == (name == "exec-preprocess")
        assert claims == {"exec-preprocess": ["photos"], "exec-train": ["photos", "darkroom-cache"]}.get(name, [])


def test_every_task_that_searches_or_trains_finds_local_weights_on_the_data_claim(tmp_path: Path) -> None:
    given = load_params(ROOT / "params.yaml", ("data.uri=/data/photos", "tune.trials=4", "tune.workers=2"))
    params = resolve(given, native_size=(8, 8), data_name="digits").params
    pipeline, executors = compiled(Placement(data_claim="photos"), params, tmp_path)
    searching = [name for name in executors if "tune" in name or "train" in name]
    assert len(searching) >= 2, "one tune task a searcher, and train"
    for name, executor in executors.items():
        mounts = {mount["constant"]: mount["mountPath"] for mount in executor.get("pvcMount", [])}
        assert (mounts.get("photos") == "/data") == (name in (*searching, "exec-preprocess")), name
    assert set(executors) == set(pipeline["deploymentSpec"]["executors"])


def test_train_has_shared_memory_and_a_cache_that_outlives_its_pod(
    documents: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    pipeline, executors = documents
    assert executors["exec-train"]["emptyDirMounts"] == [
        {"volumeName": "shm", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "1Gi"}
    ]
    assert {"name": "DARKROOM_CACHE", "value": "/cache"} in container(pipeline, "train")["env"]


def test_limits_and_retries_are_as_demanded(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    pipeline, _ = documents
    assert container(pipeline, "train")["resources"]["resourceMemoryLimit"] == "16Gi"
    assert container(pipeline, "evaluate")["resources"]["resourceMemoryLimit"] == DEMANDS["evaluate"].memory
    for step, task in inner_tasks(pipeline).items():
        retry = task["retryPolicy"]
        assert retry["maxRetryCount"] == DEMANDS[step].retries
        assert (retry["backoffDuration"], retry["backoffFactor"]) == ("30s", 2.0)


def test_the_closing_task_waits_for_all_and_learns_how_it_ended(
    documents: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    close = documents[0]["root"]["dag"]["tasks"]["close"]
    assert close["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    assert close["inputs"]["parameters"]["status"]["taskFinalStatus"]["producerTask"] == "exit-handler-1"
    assert "enableCache" not in close["cachingOptions"]


def test_images_are_those_that_were_pushed(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    assert container(documents[0], "train")["image"] == DIGEST
    assert container(documents[0], "deploy")["image"] == image_name("deploy")


@pytest.mark.parametrize(("cache", "cached"), [(True, {"preprocess", "train", "evaluate"}), (False, set())])
def test_deploy_is_never_cached_and_without_cache_nothing_is(
    cache: bool, cached: set[str], params: Params, tmp_path: Path
) -> None:
    pipeline, _ = compiled(Placement(cache=cache), params, tmp_path)
    tasks = inner_tasks(pipeline)
    assert {name for name, task in tasks.items() if task["cachingOptions"].get("enableCache")} == cached


def test_a_submission_uploads_a_version_once_and_starts_a_run(params: Params) -> None:
    with serving(StandIn()) as server:
        started = time.monotonic()
        first = cluster.submit(params, Placement(), Server(server.url))
        assert time.monotonic() - started < 10
        second = cluster.submit(params, Placement(), Server(server.url))
        other = cluster.submit(params, Placement(gpus=1), Server(server.url))
    assert (first.id, first.url) == ("run-1", f"{server.url}/#/runs/details/run-1")
    assert first.version == second.version != other.version
    assert set(server.versions) == {first.version, other.version}
    assert b"darkroom-training" in server.versions[first.version]
    assert [experiment["display_name"] for experiment in server.experiments] == ["digits"]
    run = server.runs[0]
    assert run["pipeline_version_reference"]["pipeline_version_id"] == f"version-{first.version}"
    assert run["runtime_config"]["parameters"]["data"] == "s3://bucket/photos"
    assert json.loads(run["runtime_config"]["parameters"]["train_params"])["epochs"] == params.train.epochs


def test_a_recurring_run_has_its_schedule(params: Params) -> None:
    with serving(StandIn()) as server:
        submission = cluster.submit(params, Placement(), Server(server.url), cron="0 0 3 * * 1")
    assert submission.url == f"{server.url}/#/recurringrun/details/recurring-1"
    assert server.recurring[0]["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * 1"
    assert server.recurring[0]["max_concurrency"] == 1


def tasks(**states: str) -> dict[str, Any]:
    return {"task_details": [{"display_name": name, "state": state} for name, state in states.items()]}


def test_following_shows_each_change_once_and_outlasts_a_hiccup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.01)
    running = {"state": "RUNNING", "run_details": tasks(preprocess="RUNNING")}
    answers = [
        running,
        running,
        {"status": 503, "error": "restarting"},
        {"state": "SUCCEEDED", "run_details": tasks(preprocess="SUCCEEDED", train="SUCCEEDED")},
    ]
    shown: list[tuple[str, str]] = []
    with serving(StandIn(states=answers)) as server:
        cluster.follow("run-1", Server(server.url), lambda task, state: shown.append((task, state)))
    assert shown == [
        ("preprocess", "running"),
        ("server", "out of reach, trying again"),
        ("preprocess", "succeeded"),
        ("train", "succeeded"),
    ]


@pytest.mark.parametrize("scenario", RECORDED_RUNS)
def test_a_run_is_followed_through_what_a_real_backend_answers(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No task has an error text, some have neither name nor state, and a terminated run ends as FAILED."""
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.01)
    shown: list[tuple[str, str]] = []
    states = RECORDED_RUNS[scenario]
    with serving(StandIn(states=list(states))) as server:
        expected = (
            contextlib.nullcontext()
            if states[-1]["state"] == "SUCCEEDED"
            else pytest.raises(ClusterError, match=r"must succeed; it is failed\. Its logs: .*#/runs/details/run-7")
        )
        with expected:
            cluster.follow("run-7", Server(server.url), lambda task, state: shown.append((task, state)))
    assert all(task and state for task, state in shown)


def test_a_failed_run_names_the_task_and_its_reason() -> None:
    details = {"task_details": [{"display_name": "train", "state": "FAILED", "error": {"message": "OOMKilled"}}]}
    with (
        serving(StandIn(states=[{"state": "FAILED", "run_details": details}])) as server,
        pytest.raises(ClusterError, match=r"it is failed: train: OOMKilled.*#/runs/details/run-7"),
    ):
        cluster.follow("run-7", Server(server.url), lambda *_: None)


@pytest.mark.parametrize(
    ("stand_in", "token", "message"),
    [
        (StandIn(old=True), None, "404: it does not know the v2beta1 API: KFP 2.0 or later is needed"),
        (StandIn(token="secret"), None, "401: it wants a token: --token-file"),
        (StandIn(token="secret"), "wrong", "401: it wants a token"),
        (StandIn(refuse_runs="namespace is not allowed"), None, "it refuses: 400 namespace is not allowed"),
    ],
    ids=["too old", "no token", "wrong token", "refused"],
)
def test_what_the_server_refuses_is_told(stand_in: StandIn, token: str | None, message: str, params: Params) -> None:
    with serving(stand_in) as server, pytest.raises(ClusterError) as error:
        cluster.submit(params, Placement(), Server(server.url, token))
    assert message in str(error.value)


def test_the_right_token_is_taken(params: Params) -> None:
    with serving(StandIn(token="secret")) as server:
        assert cluster.submit(params, Placement(), Server(server.url, "secret")).id == "run-1"


@pytest.mark.parametrize("host", ["http://127.0.0.1:1", "kfp.example.org", "ftp://kfp"])
def test_a_missing_server_is_named_at_once(host: str, params: Params) -> None:
    started = time.monotonic()
    with pytest.raises(ClusterError, match=host):
        cluster.submit(params, Placement(), Server(host))
    assert time.monotonic() - started < 10


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    git(folder, "tag", "-a", "v1", "-m", "a tag with a message")
    return folder


@pytest.mark.parametrize("revision", ["main", "v1", "HEAD"])
def test_a_revision_becomes_a_commit(revision: str, repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert cluster.resolve_revision(f"dvc+{repository}@{revision}:photos") == f"dvc+{repository}@{commit}:photos"


def test_other_addresses_and_whole_commits_stay_as_they_are() -> None:
    for uri in ("s3://bucket/photos", f"dvc+https://example.org/x.git@{'a' * 40}:photos"):
        assert cluster.resolve_revision(uri) == uri


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("dvc+{repository}@v9:photos", "The revision v9 must be a branch, a tag or a full commit"),
        ("dvc+{repository}/absent@main:photos", "must be readable with git"),
        ("dvc+{repository}:photos", "must be named dvc\\+<repository>@<revision>:<path>"),
    ],
)
def test_a_revision_that_does_not_exist_is_refused(uri: str, message: str, repository: Path) -> None:
    with pytest.raises(DataError, match=message):
        cluster.resolve_revision(uri.format(repository=repository))


def submit(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pipelines.cli.main", "submit", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


KNOWN = ("--data", "s3://bucket/photos", "--set", "preprocess.image_size=64", "--set", "deploy.model_name=shirts")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "photos"], "must be named by an address that it reaches"),
        ([*KNOWN, "--set", "train.model.path=mine.h5"], "train.model.path must lie on a volume: --data-claim NAME"),
        ([*KNOWN, "--set", "train.model.from=runs/one"], "train.model.from must lie on a volume"),
        (["--data", "s3://bucket/photos"], "preprocess.image_size and deploy.model_name must be given"),
        (KNOWN, "must have been pushed from here: darkroom images push REGISTRY"),
        ([*KNOWN, "--local-images"], "The address of Kubeflow Pipelines must be given: --host URL"),
        ([*KNOWN, "--local-images", "--host", "http://127.0.0.1:1"], "must answer at http://127.0.0.1:1"),
        ([*KNOWN, "--node-selector", "zone"], "LABEL=VALUE is expected"),
        ([*KNOWN, "--local-images", "--host", "http://x", "--token-file", "absent"], "--token-file must be"),
    ],
)
def test_a_submission_that_cannot_be_exits_with_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = submit(*arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_submit_follows_the_run_and_prints_it_as_json(tmp_path: Path) -> None:
    with serving(StandIn(states=[{"state": "SUCCEEDED", "run_details": tasks(train="SUCCEEDED")}])) as server:
        result = submit(*KNOWN, "--local-images", "--host", server.url, "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["id"] == "run-1"
    assert "train" in result.stderr


def test_the_pipeline_can_be_looked_at_before_it_is_submitted(tmp_path: Path) -> None:
    result = submit(*KNOWN, "--local-images", "--gpus", "1", "--output", "gpu.yaml", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(list(YAML(typ="safe").load_all((tmp_path / "gpu.yaml").read_text()))) == 2
