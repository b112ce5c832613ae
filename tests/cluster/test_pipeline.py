"""The whole pipeline with the guide's commands, from photos on a volume to an answer over HTTP."""

import json
import shlex
import subprocess
from pathlib import Path

from tests.cluster.support import guide
from tests.cluster.support import kubectl as cluster
from tests.cluster.support.kubectl import DARKROOM
from tests.cluster.support.mlflow import find_runs, mlflow_client
from tests.cluster.support.pipeline_run import Run, job_log, wait_for_end
from tests.support.processes import free_port


def test_the_service_answers_the_commands_of_the_guide(served: Run, data: Path) -> None:
    photo = data / "photos" / "red" / "000.jpg"
    words = shlex.split(guide.commands()[9].removesuffix("&"))
    assert words[:2] == ["kubectl", "port-forward"]
    # Another program on this machine may be using the guide's port.
    guide_port, _, service_port = words[-1].partition(":")
    local_port = str(free_port())
    words = [*words[:-1], f"{local_port}:{service_port}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as forwarder:
        try:
            assert forwarder.stdout is not None
            assert f"127.0.0.1:{local_port}" in forwarder.stdout.readline(), "kubectl must listen on the port"
            answer = json.loads(guide.run(10, **{"PHOTO": str(photo), f":{guide_port}/": f":{local_port}/"}))
        finally:
            forwarder.terminate()
    (prediction,) = answer["predictions"]
    assert prediction["label"] == "red"


def test_the_run_ends_as_a_single_finished_mlflow_run_whose_model_is_the_champion(served: Run) -> None:
    with mlflow_client() as client:
        (run,) = find_runs(client, served.id)
        assert run.info.status == "FINISHED"
        assert "darkroom.error" not in run.data.tags
        assert run.data.tags["darkroom.rollout"].startswith("darkroom/darkroom-serve now serves ")
        champion = client.get_model_version_by_alias("photos", "champion")
        assert champion.run_id == run.info.run_id
        bento = bento_of("darkroom-serve")
        assert bento.startswith(run.info.run_id)


def bento_of(deployment: str) -> str:
    from components.deploy.release.rollout import find_bento

    return str(find_bento(cluster.get(DARKROOM, "deployment", deployment)))


def test_a_failed_step_is_not_retried_and_its_error_is_recorded_in_mlflow(data: Path, pipeline: Path) -> None:
    run = Run(pipeline, arguments={"data": "/data/missing"})
    job = run.start("preprocess")
    wait_for_end(job, seconds=120)
    status = cluster.get("kubeflow", "job", job)["status"]
    assert (status.get("failed"), status.get("succeeded")) == (1, None), job_log(job)
    run.run("close", status="FAILED")
    with mlflow_client() as client:
        (mlflow_run,) = find_runs(client, run.id)
        assert mlflow_run.info.status == "FAILED"
        assert mlflow_run.data.tags["darkroom.error"].startswith("preprocess: ")
        assert "/data/missing" in mlflow_run.data.tags["darkroom.error"]


def test_a_terminated_run_is_reported_as_terminated(installed: None, pipeline: Path) -> None:
    run = Run(pipeline)
    run.run("close", status="RUNNING")
    with mlflow_client() as client:
        (mlflow_run,) = find_runs(client, run.id)
        assert (mlflow_run.info.status, mlflow_run.data.tags["darkroom.error"]) == ("KILLED", "terminated")
