"""Rejects a run before submission if its tasks would wait forever for a volume, or could not write to it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipelines.runners.cluster.client import ClusterError
from pipelines.runners.cluster.kubernetes import kubectl
from pipelines.runners.cluster.placement import CACHE_CLAIM, SETTINGS, Placement

log = logging.getLogger(__name__)

GUIDE: Final = "docs/kubernetes.md, Volumes"
SHARED: Final = ("ReadWriteMany", "ReadOnlyMany")
"""Access modes that allow pods on several nodes to mount a volume at the same time."""


@dataclass(frozen=True)
class Volumes:
    """What Kubernetes reports about the volumes.

    Attributes:
        access_modes: the access modes of each claim's volume.
        has_failed_check: whether the Job that k8s/pipelines defines failed to write to the cache.
        num_nodes: the number of nodes on which the tasks can run; None if the user is not allowed to list nodes.
    """

    access_modes: Mapping[str, tuple[str, ...]]
    has_failed_check: bool
    num_nodes: int | None


def check_volumes(placement: Placement, num_workers: int, namespace: str) -> None:
    """Checks the volume claims of the tasks with kubectl, if it is installed and configured for this cluster.

    Args:
        placement: the placement of the tasks, which names the claims and selects the nodes.
        num_workers: the largest number of tasks that share the work of one step and run at the same time.
        namespace: the namespace of the tasks.

    Raises:
        ClusterError: a claim is missing, cannot be written to, or cannot be mounted by all tasks that need it.
    """
    try:
        if not kubectl.get("configmaps", f"--field-selector=metadata.name={SETTINGS}", namespace=namespace):
            log.warning(
                "The volumes are not checked: kubectl's cluster has no config map %s in the namespace %s. If it is the "
                "cluster of this run, apply k8s/pipelines.",
                SETTINGS,
                namespace,
            )
            return
        volumes = _find_volumes(placement, namespace)
    except kubectl.KubectlError as error:
        log.debug("The volumes are not checked: %s", error)
        return
    for claim in (CACHE_CLAIM, placement.data_claim):
        if claim is not None:
            _check_claim(claim, volumes, num_workers, namespace)
    if volumes.has_failed_check:
        raise ClusterError(
            f"The tasks must be able to write to the volume claim {CACHE_CLAIM}, because training resumes from it; the "
            f"Job {CACHE_CLAIM} could not. See kubectl -n {namespace} logs job/{CACHE_CLAIM}, and {GUIDE}."
        )


def _find_volumes(placement: Placement, namespace: str) -> Volumes:
    claims = kubectl.get("persistentvolumeclaims", namespace=namespace)
    jobs = kubectl.get("jobs", f"--field-selector=metadata.name={CACHE_CLAIM}", namespace=namespace)
    try:
        labels = [f"{label}={value}" for label, value in placement.node_selector.items()]
        nodes = kubectl.get("nodes", *(["--selector", ",".join(labels)] if labels else []), namespace=namespace)
    except kubectl.KubectlError as error:
        log.debug("The nodes are not counted: %s", error)
        nodes = None
    conditions = [condition for job in jobs for condition in job.get("status", {}).get("conditions", ())]
    return Volumes(
        access_modes={claim["metadata"]["name"]: tuple(claim["spec"]["accessModes"]) for claim in claims},
        has_failed_check=any(
            condition["type"] == "Failed" and condition["status"] == "True" for condition in conditions
        ),
        num_nodes=None if nodes is None else sum(_accepts_tasks(node, placement) for node in nodes),
    )


def _accepts_tasks(node: Mapping[str, Any], placement: Placement) -> bool:
    spec = node.get("spec", {})
    taints = [
        taint
        for taint in spec.get("taints", ())
        if taint["effect"] != "PreferNoSchedule" and not (placement.gpus and taint["key"] == placement.gpu_type)
    ]
    return not spec.get("unschedulable") and not taints


def _check_claim(claim: str, volumes: Volumes, num_workers: int, namespace: str) -> None:
    modes = volumes.access_modes.get(claim)
    if modes is None:
        raise ClusterError(
            f"The tasks mount the volume claim {claim}, which does not exist in the namespace {namespace}. "
            + ("Apply k8s/pipelines." if claim == CACHE_CLAIM else "Create it, or correct --data-claim.")
        )
    if num_workers <= 1 or any(mode in SHARED for mode in modes):
        return
    if "ReadWriteOncePod" not in modes and volumes.num_nodes in (None, 1):
        if volumes.num_nodes is None:
            log.warning(
                "The nodes cannot be counted: %d tasks mount the volume claim %s, which is %s, so they must all "
                "run on one node. See %s.",
                num_workers,
                claim,
                ", ".join(modes),
                GUIDE,
            )
        return
    nodes = "" if volumes.num_nodes is None else f" (nodes that accept the tasks: {volumes.num_nodes})"
    raise ClusterError(
        f"{num_workers} tasks mount the volume claim {claim} at the same time, so it must be ReadWriteMany; it "
        f"is {', '.join(modes)}{nodes}. Use a shared volume ({GUIDE}), "
        "keep the tasks on one node (--node-selector kubernetes.io/hostname=NODE), or set tune.workers, "
        "data.workers and data.feature_workers to 1."
    )
