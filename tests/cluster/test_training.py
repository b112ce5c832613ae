"""Train and tune on a cluster: a killed pod, a shared search, an unavailable MLflow, too little memory, and weights."""

import json
import re
import secrets
from pathlib import Path
from typing import Any

from tests.cluster.conftest import WEIGHTS, compile_small, is_serving
from tests.cluster.support import kubectl as cluster
from tests.cluster.support.kubectl import DARKROOM, KUBEFLOW, await_rollout, kubectl
from tests.cluster.support.mlflow import find_runs, mlflow_client
from tests.cluster.support.pipeline_run import Run, await_job, job_log, read_artifact, wait_for_end

NUM_EPOCHS = 60
"""Enough epochs for MLflow to be back before the last one."""


def test_training_resumes_from_its_checkpoint_after_its_pod_is_killed(whole_run: Run, tmp_path: Path) -> None:
    epochs = ("--set", "train.epochs=12", "--set", "train.early_stopping=null")
    run = Run(
        compile_small(tmp_path / "pipeline.yaml", *epochs, "--memory", "4Gi"), artifacts=dict(whole_run.artifacts)
    )
    job = run.start("train")
    await_epoch(3, job)
    (pod,) = cluster.pods(KUBEFLOW, f"job-name={job}")
    kubectl("-n", KUBEFLOW, "delete", "pod", pod["metadata"]["name"], "--grace-period=1")
    await_job(job, seconds=300)
    log = job_log(job)
    first_epoch = min(map(int, re.findall(r"Epoch +(\d+) of 12", log)))
    print(f"the second pod began with epoch {first_epoch}")
    assert first_epoch >= 3, log[-3000:]


def test_two_workers_share_a_search_on_postgresql(whole_run: Run, tmp_path: Path) -> None:
    # A random seed gives this run its own study: PostgreSQL still contains the studies of earlier proofs.
    options = ("--set", "tune.trials=4", "--set", "tune.workers=2", "--set", f"train.seed={secrets.randbits(31)}")
    pipeline = compile_small(tmp_path / "pipeline.yaml", *options, "--set", "train.epochs=2", "--memory", "3Gi")
    run = Run(pipeline, artifacts=dict(whole_run.artifacts))
    run.run("tune", "tune-2", seconds=500)
    run.run("tune-3", seconds=300)
    trials = [re.findall(r"Trial (\d+), after", job_log(f"{run.id}-{name}")) for name in ("tune", "tune-2")]
    print(f"trials of the workers: {trials}")
    assert all(trials), "each worker must have run a trial"
    assert sorted(trials[0] + trials[1]) == ["1", "2", "3", "4"]
    study = json.loads(read_artifact(f"{run.artifacts['tune-3', 'study']}/study.json"))
    assert len(study["trials"]) == 4
    assert json.loads(run.outputs["tune-3", "Output"])["epochs"] == 2


def test_training_continues_while_mlflow_is_down_and_all_metrics_arrive(whole_run: Run, tmp_path: Path) -> None:
    epochs = ("--set", f"train.epochs={NUM_EPOCHS}", "--set", "train.early_stopping=null")
    run = Run(
        compile_small(tmp_path / "pipeline.yaml", *epochs, "--memory", "4Gi"), artifacts=dict(whole_run.artifacts)
    )
    job = run.start("train")
    await_epoch(2, job)
    kubectl("-n", DARKROOM, "scale", "deployment", "mlflow", "--replicas=0")
    try:
        kubectl("-n", DARKROOM, "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=mlflow", "--timeout=120s")
        await_epoch(last_epoch(job) + 3, job)
        assert is_serving()
    finally:
        kubectl("-n", DARKROOM, "scale", "deployment", "mlflow", "--replicas=1")
        await_rollout("deployment/mlflow")
    print(f"MLflow is back in epoch {last_epoch(job)}")
    await_job(job, seconds=300)
    with mlflow_client() as client:
        (mlflow_run,) = find_runs(client, run.id)
        history = client.get_metric_history(mlflow_run.info.run_id, "val_loss")
    assert sorted({metric.step for metric in history}) == list(range(1, NUM_EPOCHS + 1))


def last_epoch(job: str) -> int:
    """Returns the latest epoch in the log; 0 before the first."""
    return max(map(int, re.findall(r"Epoch +(\d+) of ", job_log(job))), default=0)


def await_epoch(epoch: int, job: str) -> None:
    cluster.wait_until(lambda: last_epoch(job) >= epoch, lambda: f"epoch {epoch}: {job_log(job)[-2000:]}", 240)


def test_training_without_enough_memory_is_killed_and_the_reason_is_found(whole_run: Run, tmp_path: Path) -> None:
    from pipelines.runners.cluster.kubernetes.pod_reasons import PodReasons

    run = Run(compile_small(tmp_path / "pipeline.yaml", "--memory", "300Mi"), artifacts=dict(whole_run.artifacts))
    job = run.start("train")
    reasons = PodReasons(run.id, KUBEFLOW)
    try:
        cluster.wait_until(lambda: "OOMKilled" in reasons.find().get(job, ""), lambda: f"{reasons.find()}", 180)
        assert "--memory" in reasons.find()[job]
    finally:
        cluster.delete(KUBEFLOW, "job", job)


def test_train_uses_the_weights_on_the_volume_of_the_photos(whole_run: Run) -> None:
    bundle = json.loads(read_artifact(f"{whole_run.artifacts['train', 'model']}/bundle.json"))
    assert WEIGHTS in json.dumps(bundle)


def test_training_without_the_volume_of_its_weights_fails_and_names_their_path(data: Path, pipeline: Path) -> None:
    run = Run(pipeline)
    run.run("preprocess")
    job = without_volume(run.make_job("train"), "photos")
    cluster.apply(job)
    name = job["metadata"]["name"]
    wait_for_end(name, seconds=180)
    assert cluster.get(KUBEFLOW, "job", name)["status"]["failed"] == 1, "the task must not be retried"
    message = f"there is no file at /data/weights/{WEIGHTS}."
    assert message in job_log(name)
    run.run("close", status="FAILED")
    with mlflow_client() as client:
        (mlflow_run,) = find_runs(client, run.id)
    assert mlflow_run.info.status == "FAILED"
    assert mlflow_run.data.tags["darkroom.error"].startswith("train: ")
    assert message in mlflow_run.data.tags["darkroom.error"]


def without_volume(job: dict[str, Any], claim: str) -> dict[str, Any]:
    """Removes a claim's volume and its mounts from a Job, which must have exactly one such volume."""
    pod = job["spec"]["template"]["spec"]
    (volume,) = [
        volume for volume in pod["volumes"] if volume.get("persistentVolumeClaim", {}).get("claimName") == claim
    ]
    pod["volumes"].remove(volume)
    for container in pod["containers"]:
        container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != volume["name"]]
    return job
