"""A volume that belongs to root, like a new cloud disk: train refuses it until a Job has made it writable."""

from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipelines.runners.cluster.placement import CACHE_CLAIM
from tests.cluster.support import kubectl as cluster
from tests.cluster.support.kubectl import KUBEFLOW
from tests.cluster.support.pipeline_run import Run, await_job, job_log, wait_for_end
from tests.support.source_tree import ROOT

CLASS = "root-owned"
CLAIM = "proof-root-owned"


@pytest.fixture
def root_owned_claim(installed: None) -> Iterator[str]:
    """A new claim for a volume that only root can write to."""
    volumes = cluster.get(KUBEFLOW, "persistentvolumes")["items"]
    if not any(
        volume["spec"].get("storageClassName") == CLASS and volume["status"]["phase"] == "Available"
        for volume in volumes
    ):
        pytest.skip(f"no free volume of the storage class {CLASS}, which is for volumes that belong to root")
    spec = {
        "storageClassName": CLASS,
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "10Gi"}},
    }
    metadata = {"name": CLAIM, "namespace": KUBEFLOW}
    cluster.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
    yield CLAIM
    cluster.delete(KUBEFLOW, "pvc", CLAIM)


def with_claim(job: dict[str, Any], claim: str) -> dict[str, Any]:
    """Replaces the volume claim that the Job uses as its cache."""
    for volume in job["spec"]["template"]["spec"]["volumes"]:
        if volume.get("persistentVolumeClaim", {}).get("claimName") == CACHE_CLAIM:
            volume["persistentVolumeClaim"]["claimName"] = claim
    return job


def test_a_root_owned_cache_is_refused_until_the_job_has_made_it_writable_for_the_tasks(
    root_owned_claim: str, small_training: Run
) -> None:
    job = with_claim(small_training.make_job("train"), root_owned_claim)
    name = job["metadata"]["name"]
    cluster.apply(job)
    wait_for_end(name, seconds=180)
    assert "after its pod is lost must be writable by user 10001" in job_log(name)
    cluster.delete(KUBEFLOW, "job", name)

    documents = YAML(typ="safe").load_all((ROOT / "k8s" / "pipelines" / "cache.yaml").read_text())
    (owner,) = [document for document in documents if document["kind"] == "Job"]
    owner["metadata"] = {"name": "proof-give-volume", "namespace": KUBEFLOW}
    cluster.delete(KUBEFLOW, "job", "proof-give-volume")
    cluster.apply(with_claim(owner, root_owned_claim))
    await_job("proof-give-volume", seconds=120)

    cluster.apply(job)
    await_job(name, seconds=240)
    assert "No checkpoints" not in job_log(name)
    cluster.delete(KUBEFLOW, "job", name, "proof-give-volume")
