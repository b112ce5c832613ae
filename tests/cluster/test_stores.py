"""Restoring a database backup, and reading photos from an S3 store."""

import base64
import json
from pathlib import Path

import pytest

from tests.cluster.support import guide
from tests.cluster.support import kubectl as cluster
from tests.cluster.support.kubectl import DARKROOM, await_rollout, kubectl
from tests.cluster.support.mlflow import mlflow_client
from tests.cluster.support.pipeline_run import Run, await_job, job_log, read_artifact

UPLOAD = """
import base64, boto3, json, os, sys
s3 = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
if "photos" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
    s3.create_bucket(Bucket="photos")
for key, text in json.load(sys.stdin).items():
    s3.put_object(Bucket="photos", Key=key, Body=base64.b64decode(text))
"""


def test_the_commands_of_the_guide_restore_a_backup(served: Run) -> None:
    kubectl("apply", "--server-side", "-n", DARKROOM, "-f", "k8s/overlays/production/backup.yaml")
    cluster.delete(DARKROOM, "job", "backup", "restore")
    kubectl("-n", DARKROOM, "create", "job", "backup", "--from=cronjob/postgres-backup")
    await_job("backup", namespace=DARKROOM, seconds=180)
    with mlflow_client() as client:
        version = client.get_model_version_by_alias("photos", "champion").version
        client.delete_registered_model("photos")
    guide.run_block("## Backup and restore")
    await_rollout("deployment/mlflow")
    with mlflow_client() as client:
        assert client.get_model_version_by_alias("photos", "champion").version == version


def test_photos_are_read_from_an_s3_store_with_a_custom_endpoint(data: Path, pipeline: Path) -> None:
    upload_photos(data / "photos")
    run = Run(pipeline, arguments={"data": "s3://photos/photos"})
    run.run("preprocess", seconds=300)
    info = json.loads(read_artifact(f"{run.artifacts['preprocess', 'dataset']}/dataset.json"))
    assert info["source"]["uri"] == "s3://photos/photos"
    assert sum(sum(counts.values()) for counts in info["counts"].values()) > 50


def test_an_address_without_photos_in_the_s3_store_is_reported(data: Path, pipeline: Path) -> None:
    run = Run(pipeline, arguments={"data": "s3://photos/absent"})
    job = run.start("preprocess")
    with pytest.raises(AssertionError):
        await_job(job, seconds=120)
    assert "s3://photos/absent" in job_log(job)


def upload_photos(folder: Path) -> None:
    """Uploads photos to the bucket `photos` from MLflow's pod, which has boto3 and the keys."""
    files = {
        f"photos/{path.relative_to(folder).as_posix()}": base64.b64encode(path.read_bytes()).decode()
        for path in sorted(folder.rglob("*.jpg"))
    }
    cluster.run_in(DARKROOM, "deployment/mlflow", "python3", "-c", UPLOAD, stdin=json.dumps(files), container="mlflow")
