"""Train and tune on a cluster: a killed pod resumes, workers share a search, MLflow goes away, memory runs out."""

import json
import re
from pathlib import Path

from tests.cluster.conftest import WEIGHTS, compile_small
from tests.cluster.support import kubectl as cluster
from tests.cluster.support.kubectl import DARKROOM, KUBEFLOW, await_rollout, kubectl
from tests.cluster.support.pipeline_run import Run, await_job, job_log, read_artifact


def test_a_training_pod_that_is_killed_resumes_from_its_checkpoint(whole_run: Run, tmp_path: Path) -> None:
    epochs = ("--set", "train.epochs=12", "--set", "train.early_stopping=null")
    run = Run(
        compile_small(tmp_path / "pipeline.yaml", *epochs, "--memory", "4Gi"), artifacts=dict(whole_run.artifacts)
    )
    job = run.start("train")
    cluster.wait_until(
        lambda: re.search(r"Epoch +3 of 12", job_log(job)), lambda: f"epoch 3: {job_log(job)[-2000:]}", 240
    )
    (pod,) = cluster.pods(KUBEFLOW, f"job-name={job}")
    kubectl("-n", KUBEFLOW, "delete", "pod", pod["metadata"]["name"], "--grace-period=1")
    await_job(job, seconds=300)
    log = job_log(job)
    first_epoch = int(re.search(r"Epoch +(\d+) of 12", log)[1])  # type: ignore[index]
    print(f"the second pod began with epoch {first_epoch}")
    assert first_epoch >= 3, log[-3000:]


def test_two_workers_share_a_search_on_postgresql(whole_run: Run, tmp_path: Path) -> None:
    options = ("--set", "tune.trials=4", "--set", "tune.workers=2", "--set", "train.epochs=2", "--memory", "3Gi")
    run = Run(compile_small(tmp_path / "pipeline.yaml", *options), artifacts=dict(whole_run.artifacts))
    run.run("tune", "tune-2", seconds=500)
    run.run("tune-3", seconds=300)
    trials = [len(re.findall(r"[Tt]rial +\d+", job_log(f"{run.id}-{name}"))) for name in ("tune", "tune-2")]
    assert all(trials), "each worker must have tried something"
    study = json.loads(read_artifact(f"{run.artifacts['tune-3', 'study']}/study.json"))
    assert len(study["trials"]) == 4
    assert json.loads(run.outputs["tune-3", "Output"])["epochs"] == 2


def test_training_survives_mlflow_being_away(whole_run: Run, tmp_path: Path) -> None:
    run = Run(
        compile_small(tmp_path / "pipeline.yaml", "--set", "train.epochs=6", "--memory", "4Gi"),
        artifacts=dict(whole_run.artifacts),
    )
    job = run.start("train")
    cluster.wait_until(lambda: "Epoch  1 of 6" in job_log(job), lambda: f"epoch 1: {job_log(job)[-2000:]}", 240)
    kubectl("-n", DARKROOM, "scale", "deployment", "mlflow", "--replicas=0")
    try:
        cluster.wait_until(lambda: "Epoch  4 of 6" in job_log(job), lambda: f"epoch 4: {job_log(job)[-2000:]}", 240)
    finally:
        kubectl("-n", DARKROOM, "scale", "deployment", "mlflow", "--replicas=1")
        await_rollout("deployment/mlflow")
    await_job(job, seconds=300)


def test_a_training_without_enough_memory_is_killed_and_the_reason_found(whole_run: Run, tmp_path: Path) -> None:
    from pipelines.runners.cluster.kubernetes.pod_reasons import PodReasons

    run = Run(compile_small(tmp_path / "pipeline.yaml", "--memory", "300Mi"), artifacts=dict(whole_run.artifacts))
    job = run.start("train")
    reasons = PodReasons(run.id, KUBEFLOW)
    try:
        cluster.wait_until(lambda: "OOMKilled" in reasons.find().get(job, ""), lambda: f"{reasons.find()}", 180)
        assert "--memory" in reasons.find()[job]
    finally:
        cluster.delete(KUBEFLOW, "job", job)


def test_the_weights_on_the_volume_of_the_photos_are_used(whole_run: Run) -> None:
    bundle = json.loads(read_artifact(f"{whole_run.artifacts['train', 'model']}/bundle.json"))
    assert WEIGHTS in json.dumps(bundle)
