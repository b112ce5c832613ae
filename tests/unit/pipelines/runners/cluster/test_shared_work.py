"""Tasks that share work on a cluster: their queue, nodes, store and estimated times."""

from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from components.contract.params.pipeline import Params, load_params
from components.contract.params.resolve import resolve
from pipelines.runners.cluster.compilation import compile_pipeline
from pipelines.runners.cluster.estimate import START_SECONDS, describe_estimate, estimate
from pipelines.runners.cluster.placement import (
    DEMANDS,
    QUEUE_LABEL,
    SPOT_RETRIES,
    STEP_LABEL,
    Placement,
    count_cores,
)

ROOT: Final = Path(__file__).parents[5]
SHARING: Final = ("data.workers=2", "data.feature_workers=2")
READING: Final = {"exec-list-photos", "exec-read-photos", "exec-read-photos-2", "exec-preprocess"}
TRAINING: Final = {"exec-compute-features", "exec-compute-features-2", "exec-train"}


def resolve_params(*overrides: str, side: int = 8) -> Params:
    params = load_params(ROOT / "params.yaml", overrides)
    return resolve(params, native_size=(side, side), data_name="digits").params


def compile_executors(placement: Placement, folder: Path, *overrides: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Compiles the pipeline; returns its tasks and the Kubernetes settings of their executors."""
    compile_pipeline(resolve_params(*overrides), folder / "pipeline.yaml", placement)
    pipeline, platform = YAML(typ="safe").load_all((folder / "pipeline.yaml").read_text())
    tasks = pipeline["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    return tasks, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_tasks_that_share_work_get_the_label_and_the_volumes_of_their_step(tmp_path: Path) -> None:
    _, executors = compile_executors(Placement(data_claim="photos"), tmp_path, *SHARING)
    for name in READING | TRAINING:
        step = "preprocess" if name in READING else "train"
        claims = {mount["constant"]: mount["mountPath"] for mount in executors[name]["pvcMount"]}
        assert executors[name]["podMetadata"]["labels"] == {STEP_LABEL: step}
        assert claims == {"photos": "/data", "darkroom-cache": "/cache"}


def test_a_single_reader_needs_no_volume(tmp_path: Path) -> None:
    _, executors = compile_executors(Placement(), tmp_path)
    assert "pvcMount" not in executors["exec-preprocess"]


def test_with_an_object_store_the_readers_need_no_volume(tmp_path: Path) -> None:
    _, executors = compile_executors(Placement(store="s3://bucket/darkroom"), tmp_path, *SHARING)
    for name in READING | TRAINING:
        assert ("pvcMount" in executors[name]) == (name in TRAINING), "only training needs a volume, for checkpoints"
        variables = {entry["envVar"] for secret in executors[name]["secretAsEnv"] for entry in secret["keyToEnv"]}
        assert "AWS_SECRET_ACCESS_KEY" in variables
    variables = {entry["envVar"] for secret in executors["exec-deploy"]["secretAsEnv"] for entry in secret["keyToEnv"]}
    assert "AWS_SECRET_ACCESS_KEY" not in variables


def test_all_tasks_except_the_final_one_wait_in_the_queue(tmp_path: Path) -> None:
    _, executors = compile_executors(Placement(queue="darkroom"), tmp_path, *SHARING)
    queued = {name for name, executor in executors.items() if QUEUE_LABEL in executor["podMetadata"]["labels"]}
    assert queued == READING | TRAINING | {"exec-evaluate", "exec-deploy"}


def test_resumable_tasks_run_on_spot_nodes_with_many_retries(tmp_path: Path) -> None:
    spot = ("cloud.google.com/gke-spot", "true")
    tasks, executors = compile_executors(Placement(spot=spot), tmp_path, *SHARING)
    toleration = {"key": spot[0], "operator": "Equal", "value": "true", "effect": "NoSchedule"}
    for name, executor in executors.items():
        is_spot = name in READING | TRAINING
        assert (executor.get("nodeSelector") == {"labels": {spot[0]: "true"}}) is is_spot
        assert (toleration in executor.get("tolerations", [])) is is_spot
    retries = {name: task.get("retryPolicy", {}).get("maxRetryCount") for name, task in tasks.items()}
    assert retries["read-photos-2"] == retries["train"] == SPOT_RETRIES
    assert retries["deploy"] == 1


def test_the_quota_covers_every_resource_that_tasks_request() -> None:
    documents = list(YAML(typ="safe").load_all((ROOT / "k8s" / "queue.yaml").read_text()))
    kinds = {document["kind"]: document for document in documents}
    assert kinds["LocalQueue"]["spec"]["clusterQueue"] == kinds["ClusterQueue"]["metadata"]["name"]
    (group,) = kinds["ClusterQueue"]["spec"]["resourceGroups"]
    assert set(group["coveredResources"]) == {"cpu", "memory", Placement().gpu_type}
    assert group["flavors"][0]["name"] == kinds["ResourceFlavor"]["metadata"]["name"]


def test_workers_shorten_a_run_and_hardly_change_its_pod_hours() -> None:
    photos = 1_000_000
    alone, shared = (
        estimate(resolve_params(*overrides, side=500), Placement(), photos)
        for overrides in ((), ("data.workers=8", "data.feature_workers=8"))
    )
    assert [work.name for work in alone] == ["preprocess", "train"]
    assert [(work.name, work.pods) for work in shared] == [
        ("read-photos", 8),
        ("preprocess", 1),
        ("compute-features", 8),
        ("train", 1),
    ]
    assert sum(work.hours for work in shared) < sum(work.hours for work in alone)
    hours = [sum(work.pods * work.hours for work in works) for works in (alone, shared)]
    assert hours[1] == pytest.approx(hours[0], abs=0.3), "sharing must add only the time that the pods take to start"


@pytest.mark.parametrize(
    ("photos", "read_seconds", "merge_seconds"),
    [(10_000, 22.4, 4.6), (20_000, 26.5, 9.0), (100_000, 149.4, 115.6), (100_000, 121.7, 39.3)],
)
def test_the_estimate_is_at_least_the_measured_time(photos: int, read_seconds: float, merge_seconds: float) -> None:
    """docs/scale.md lists the CPU seconds measured for 8 readers and for the merge, with photos of 64 px."""
    read, merge, *_ = estimate(resolve_params("data.workers=8", "preprocess.image_size=64"), Placement(), photos)
    cores = count_cores(DEMANDS["preprocess"].cpu)
    assert (3600 * read.hours - START_SECONDS) * read.pods * cores >= read_seconds
    assert 3600 * merge.hours - START_SECONDS >= merge_seconds


def test_the_estimate_ends_with_the_total() -> None:
    *tasks, total = describe_estimate(resolve_params(side=500), Placement(), 10_000)
    assert [line.partition(":")[0] for line in tasks] == ["preprocess", "train"]
    assert "pod-hours" in total
    assert "10,000 photos" in total
