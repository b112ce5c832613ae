"""The reason why a pod does not run, found in kubectl's output."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from pipelines.runners.cluster.kubernetes.pod_reasons import MAX_FAILURES, PodReasons, find_reason

UNSCHEDULABLE: Final = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
TAIL: Final = " no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful."
SCHEDULED: Final = {"type": "PodScheduled", "status": "True"}


def unschedulable(message: str) -> dict[str, Any]:
    return {
        "phase": "Pending",
        "conditions": [{**UNSCHEDULABLE, "message": f"0/1 nodes are available: {message}{TAIL}"}],
    }


def container(state: Mapping[str, Any], phase: str = "Pending") -> dict[str, Any]:
    return {"phase": phase, "conditions": [SCHEDULED], "containerStatuses": [{"name": "main", "state": state}]}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (unschedulable("1 Insufficient memory."), ("Unschedulable: 0/1 nodes", "1 Insufficient memory", "--memory")),
        (unschedulable("1 Insufficient cpu."), ("1 Insufficient cpu", "--cpu")),
        (unschedulable("1 Insufficient nvidia.com/gpu."), ("1 Insufficient nvidia.com/gpu", "--gpus")),
        (unschedulable('persistentvolumeclaim "photos" not found.'), ('"photos" not found', "--data-claim")),
        (unschedulable("pod has unbound immediate PersistentVolumeClaims."), ("unbound", "storage class")),
        (unschedulable("1 node(s) didn't match Pod's node affinity/selector."), ("selector", "--node-selector")),
        (unschedulable("1 node(s) had untolerated taint {special: }."), ("taint {special: }", "--gpu-type")),
        (
            container({"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x:9"'}}),
            ('ImagePullBackOff: Back-off pulling image "x:9"', "darkroom images push"),
        ),
        (
            container({"waiting": {"reason": "CreateContainerConfigError", "message": 'configmap "s" not found'}}),
            ('CreateContainerConfigError: configmap "s" not found', "k8s/pipelines"),
        ),
        (container({"waiting": {"reason": "ContainerCreating"}}), ("FailedMount: no such volume", "secret")),
        (container({"terminated": {"reason": "OOMKilled", "exitCode": 1}}, "Failed"), ("OOMKilled", "--memory")),
        (container({"running": {"startedAt": "2026-11-29T11:00:00Z"}}, "Running"), ()),
        (container({"terminated": {"reason": "Completed", "exitCode": 0}}, "Succeeded"), ()),
    ],
)
def test_a_reason_contains_the_message_from_kubernetes_and_advice(
    status: dict[str, Any], words: tuple[str, ...]
) -> None:
    warning = {"type": "Warning", "reason": "FailedMount", "message": "no such volume"}
    reason = find_reason({"metadata": {"name": "train"}, "status": status}, lambda _: [{"type": "Normal"}, warning])
    assert bool(reason) is bool(words)
    assert [word for word in words if word not in reason] == []
    assert "preemption" not in reason.lower()


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for kubectl that answers with one pod and records its arguments; the tests have no cluster."""
    status = unschedulable("1 Insufficient memory.")
    metadata = {"name": "train", "annotations": {"workflows.argoproj.io/node-id": "training-1"}}
    (tmp_path / "pods.json").write_text(json.dumps({"items": [{"metadata": metadata, "status": status}]}))
    program = tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {tmp_path}/calls\nexec /bin/cat {tmp_path}/pods.json\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return program


def test_kubectl_is_called_for_the_pods_of_the_run(kubectl: Path) -> None:
    reasons = PodReasons("run-7", "kubeflow").find()
    assert list(reasons) == ["training-1"]
    assert "Insufficient memory" in reasons["training-1"]
    calls = (kubectl.parent / "calls").read_text().splitlines()
    assert calls == ["-n kubeflow get pods -l pipeline/runid=run-7 -o json"]


@pytest.mark.parametrize("failure", ["missing", "refused"])
def test_if_kubectl_is_missing_or_fails_no_reason_is_found_and_calls_stop(failure: str, kubectl: Path) -> None:
    if failure == "missing":
        kubectl.unlink()
    else:
        kubectl.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {kubectl.parent}/calls\necho Forbidden >&2\nexit 1\n')
    reasons = PodReasons("run-7", "kubeflow")
    assert [reasons.find() for _ in range(5)] == [{}] * 5
    if failure == "refused":
        assert len((kubectl.parent / "calls").read_text().splitlines()) == MAX_FAILURES
    assert reasons.command == "kubectl -n kubeflow describe pods -l pipeline/runid=run-7"
