"""A run whose volumes cannot be mounted or written to is refused before it is submitted."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.runners.cluster.client import ClusterError
from pipelines.runners.cluster.kubernetes.volumes import check_volumes
from pipelines.runners.cluster.placement import CACHE_CLAIM, SETTINGS, Placement

NODE: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {}}
TAINT = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}
GPU_NODE: dict[str, Any] = {"metadata": {"name": "g"}, "spec": {"taints": [TAINT]}}
CORDONED: dict[str, Any] = {"metadata": {"name": "c"}, "spec": {"unschedulable": True}}
MAP = {"metadata": {"name": SETTINGS}}

Cluster = Callable[..., None]


def claim(name: str, *modes: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"accessModes": list(modes)}}


def job(condition: str) -> dict[str, Any]:
    return {"metadata": {"name": CACHE_CLAIM}, "status": {"conditions": [{"type": condition, "status": "True"}]}}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Returns a function that sets the objects a stand-in for kubectl lists; the stand-in refuses all other kinds."""
    program = tmp_path / "kubectl"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >> {tmp_path}/calls\n'
        f"[ -f {tmp_path}/$4.json ] || {{ echo Forbidden >&2; exit 1; }}\nexec /bin/cat {tmp_path}/$4.json\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    def answer(**items: list[dict[str, Any]] | None) -> None:
        kinds = {"configmaps": [MAP], "jobs": [job("Complete")], "nodes": [NODE]} | items
        for kind, objects in kinds.items():
            if objects is not None:
                (tmp_path / f"{kind}.json").write_text(json.dumps({"items": objects}))

    return answer


ONCE, MANY, POD = "ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"


@pytest.mark.parametrize(
    ("modes", "num_workers", "nodes", "placement"),
    [
        ([ONCE], 1, [NODE, NODE], Placement()),
        ([ONCE], 3, [NODE], Placement()),
        ([ONCE], 3, [NODE, CORDONED], Placement()),
        ([ONCE], 3, [NODE, GPU_NODE], Placement()),
        ([MANY], 3, [NODE, NODE], Placement()),
        ([POD], 1, [NODE], Placement()),
        ([ONCE], 3, None, Placement()),
    ],
)
def test_volumes_that_all_tasks_can_mount_are_accepted(
    modes: list[str],
    num_workers: int,
    nodes: list[dict[str, Any]] | None,
    placement: Placement,
    cluster: Cluster,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster(persistentvolumeclaims=[claim(CACHE_CLAIM, *modes)], nodes=nodes)
    check_volumes(placement, num_workers, "kubeflow")
    is_unknown = nodes is None and num_workers > 1
    assert ("so they must all run on one node" in caplog.text) == is_unknown


@pytest.mark.parametrize(
    ("modes", "num_workers", "nodes", "placement"),
    [
        ([ONCE], 2, [NODE, NODE], Placement()),
        ([ONCE], 2, [NODE, GPU_NODE], Placement(gpus=1)),
        ([POD], 2, [NODE], Placement()),
    ],
)
def test_several_workers_on_different_nodes_need_a_shared_volume(
    modes: list[str], num_workers: int, nodes: list[dict[str, Any]], placement: Placement, cluster: Cluster
) -> None:
    cluster(persistentvolumeclaims=[claim(CACHE_CLAIM, *modes)], nodes=nodes)
    with pytest.raises(
        ClusterError, match=r"2 tasks mount .* must be ReadWriteMany; it is .*data.feature_workers to 1"
    ):
        check_volumes(placement, num_workers, "kubeflow")


def test_all_tasks_must_be_able_to_mount_the_photo_volume_too(cluster: Cluster) -> None:
    nodes = [NODE, NODE]
    cluster(persistentvolumeclaims=[claim(CACHE_CLAIM, MANY), claim("photos", "ReadOnlyMany")], nodes=nodes)
    check_volumes(Placement(data_claim="photos"), 4, "kubeflow")
    cluster(persistentvolumeclaims=[claim(CACHE_CLAIM, MANY), claim("photos", ONCE)], nodes=nodes)
    with pytest.raises(ClusterError, match="4 tasks mount the volume claim photos"):
        check_volumes(Placement(data_claim="photos"), 4, "kubeflow")


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        (
            [],
            f"{CACHE_CLAIM}, which does not exist in the namespace team. Apply k8s/pipelines.",
        ),
        ([claim(CACHE_CLAIM, ONCE)], "the volume claim photos, which does not exist in the namespace team"),
    ],
)
def test_a_missing_claim_is_reported(claims: list[dict[str, Any]], message: str, cluster: Cluster) -> None:
    cluster(persistentvolumeclaims=claims)
    with pytest.raises(ClusterError, match=re.escape(message)):
        check_volumes(Placement(data_claim="photos"), 0, "team")


def test_a_volume_that_tasks_cannot_write_to_is_rejected(cluster: Cluster) -> None:
    cluster(persistentvolumeclaims=[claim(CACHE_CLAIM, ONCE)], jobs=[job("Failed")])
    with pytest.raises(ClusterError, match=f"kubectl -n kubeflow logs job/{CACHE_CLAIM}"):
        check_volumes(Placement(), 0, "kubeflow")


def test_only_nodes_that_match_the_node_selector_are_counted(cluster: Cluster, tmp_path: Path) -> None:
    cluster(persistentvolumeclaims=[claim(CACHE_CLAIM, ONCE)])
    check_volumes(Placement(node_selector={"zone": "b", "disk": "fast"}), 2, "kubeflow")
    assert "-n kubeflow get nodes --selector zone=b,disk=fast -o json" in (tmp_path / "calls").read_text()


def test_no_run_is_rejected_if_kubectl_uses_another_cluster(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    cluster(configmaps=[], persistentvolumeclaims=[])
    check_volumes(Placement(), 0, "kubeflow")
    assert f"kubectl's cluster has no config map {SETTINGS} in the namespace kubeflow" in caplog.text


def test_without_kubectl_no_run_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    check_volumes(Placement(), 4, "kubeflow")
