"""The reported reasons why a task's pod does not start, and the autoscaler."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.runners.cluster.kubernetes.pod_reasons import PodReasons
from tests.cluster.conftest import ready_replicas
from tests.cluster.support import kubectl as cluster
from tests.cluster.support.kubectl import DARKROOM, KUBEFLOW, await_rollout, kubectl
from tests.cluster.support.pipeline_run import Run
from tests.cluster.support.requests import asking

WAIT_SECONDS = 120
AS_WRITTEN = "cpu-requests"
"""The label of namespaces in which this project's throwaway cluster does not reduce the CPU requests of pods."""


def with_resources(**resources: str) -> Any:
    def change(pod: dict[str, Any]) -> None:
        for name, quantity in resources.items():
            name = name.replace("gpu", "nvidia.com/gpu")
            pod["containers"][0]["resources"] = {"requests": {name: quantity}, "limits": {name: quantity}}

    return change


def with_claim(pod: dict[str, Any]) -> None:
    pod["volumes"].append({"name": "absent", "persistentVolumeClaim": {"claimName": "absent"}})


def with_image(pod: dict[str, Any]) -> None:
    pod["containers"][0]["image"] = "127.0.0.1:5001/absent/darkroom-train-python:0.1.0"


def with_settings(pod: dict[str, Any]) -> None:
    for variable in pod["containers"][0]["env"]:
        if "configMapKeyRef" in variable.get("valueFrom", {}):
            variable["valueFrom"]["configMapKeyRef"]["name"] = "absent"


@pytest.fixture
def cpu_as_written() -> Iterator[None]:
    kubectl("label", "namespace", KUBEFLOW, DARKROOM, f"{AS_WRITTEN}=as-written", "--overwrite")
    yield
    kubectl("label", "namespace", KUBEFLOW, DARKROOM, f"{AS_WRITTEN}-")


@pytest.mark.parametrize(
    ("change", "words", "advice"),
    [
        (with_resources(memory="900Gi"), "Insufficient memory", "--memory"),
        (with_resources(cpu="900"), "Insufficient cpu", "--cpu"),
        (with_resources(gpu="1"), "nvidia.com/gpu", "--gpus"),
        (with_claim, 'persistentvolumeclaim "absent" not found', "--data-claim"),
        (with_image, "ErrImagePull|ImagePullBackOff", "darkroom images push"),
        (with_settings, "CreateContainerConfigError", "k8s/pipelines"),
    ],
    ids=["memory", "cpu", "gpu", "volume", "image", "settings"],
)
def test_the_reason_why_a_task_does_not_start_is_found(
    change: Any, words: str, advice: str, bare_run: Run, request: pytest.FixtureRequest
) -> None:
    if "cpu" in words:
        request.getfixturevalue("cpu_as_written")
    job = bare_run.make_job("preprocess", ["sleep", "600"])
    change(job["spec"]["template"]["spec"])
    cluster.apply(job)
    name = job["metadata"]["name"]
    reasons = PodReasons(bare_run.id, KUBEFLOW)

    def reason() -> str:
        text = reasons.find().get(name, "")
        return text if any(word in text for word in words.split("|")) else ""

    try:
        start_time = time.monotonic()
        cluster.wait_until(reason, lambda: f"{words}: {reasons.find()}", WAIT_SECONDS)
        print(f"found after {time.monotonic() - start_time:.1f} s: {reason()}")
        assert advice in reason()
    finally:
        cluster.delete(KUBEFLOW, "job", name)


@pytest.fixture
def single_replica(served: Run, cpu_as_written: None) -> Iterator[None]:
    """Scales the service down to one replica, with the CPU request of the manifest."""
    # Existing pods keep the CPU requests with which they were created, so they are replaced.
    kubectl("-n", DARKROOM, "rollout", "restart", "deployment/darkroom-serve")
    await_rollout("deployment/darkroom-serve")
    _set_stabilization(0)
    cluster.wait_until(lambda: (desired_replicas(), ready_replicas()) == (1, 1), "a single replica", 240)
    yield
    _set_stabilization(300)


def _set_stabilization(seconds: int) -> None:
    """Sets how long the autoscaler waits before it removes a replica."""
    behavior = {"scaleDown": {"stabilizationWindowSeconds": seconds}}
    kubectl("-n", DARKROOM, "patch", "hpa", "darkroom-serve", "-p", json.dumps({"spec": {"behavior": behavior}}))


def desired_replicas() -> int:
    return int(cluster.get(DARKROOM, "hpa", "darkroom-serve")["status"].get("desiredReplicas", 0))


def test_the_autoscaler_adds_a_replica_under_load(single_replica: None) -> None:
    with asking("darkroom-serve", pause=0.0, num_threads=4) as answers:
        start_time = time.monotonic()
        cluster.wait_until(lambda: ready_replicas() == 2, "the second replica", 240)
        print(f"the second replica was ready after {time.monotonic() - start_time:.0f} s")
    assert answers.failed == ()
