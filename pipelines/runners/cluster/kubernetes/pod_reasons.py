"""Finds out with kubectl why a pod of a run does not start or was killed, which KFP does not report."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from pipelines.runners.cluster.kubernetes import kubectl

log = logging.getLogger(__name__)

RUN_LABEL: Final = "pipeline/runid"
NODE_ANNOTATION: Final = "workflows.argoproj.io/node-id"
MAX_FAILURES: Final = 3
"""After this many failures in a row, kubectl is not called again: it is missing, or not allowed to list pods."""
STARTING: Final = ("ContainerCreating", "PodInitializing")
"""Generic reasons for waiting; the actual reason, such as a volume that cannot be mounted, is in an event."""
ADVICE: Final = {
    "nvidia.com/gpu": "request fewer with --gpus, or set the resource with --gpu-type",
    "amd.com/gpu": "request fewer with --gpus",
    "Insufficient memory": "request less with --memory, or add a larger node",
    "Insufficient cpu": "request less with --cpu, or add a larger node",
    "persistentvolumeclaim": "create the volume claim, or correct --data-claim",
    "PersistentVolumeClaims": "the volume claim has no volume: check its storage class",
    "volume node affinity": "the volume is on another node or in another zone",
    "Multi-Attach": "the volume is ReadWriteOnce and mounted on another node",
    "FailedMount": "check the volume or secret that the message names",
    "ErrImagePull": "push the images with `darkroom images push`, and let the nodes pull from the registry",
    "ImagePullBackOff": "push the images with `darkroom images push`, and let the nodes pull from the registry",
    "InvalidImageName": "build and push the images again",
    "CreateContainerConfigError": "apply k8s/pipelines and create the secrets",
    "node affinity/selector": "correct --node-selector",
    "untolerated taint": "no node accepts the task: correct --gpu-type or the taints",
}
"""What to do if the reason or message from Kubernetes contains these words; the first match applies."""


class PodReasons:
    """Asks Kubernetes why pods of one run do not run.

    If kubectl is missing or not allowed to list pods, no reasons are found; `command` is what a user can run instead.
    """

    def __init__(self, run_id: str, namespace: str):
        """Creates the object; kubectl is not called yet.

        Args:
            run_id: the id of the run.
            namespace: the namespace of its pods.
        """
        self._selector = f"{RUN_LABEL}={run_id}"
        self._namespace = namespace
        self._num_failures = 0

    @property
    def command(self) -> str:
        """The command that shows the reasons."""
        return f"kubectl -n {self._namespace} describe pods -l {self._selector}"

    def find(self) -> dict[str, str]:
        """Returns the reasons why pods do not run or were killed, by node id; pods without a reason are left out."""
        reasons = {}
        for pod in self._ask("pods", "-l", self._selector):
            node_id = pod["metadata"].get("annotations", {}).get(NODE_ANNOTATION)
            reason = find_reason(pod, self._events_of)
            if node_id and reason:
                reasons[node_id] = reason
        return reasons

    def _events_of(self, pod_name: str) -> list[dict[str, Any]]:
        return self._ask("events", "--field-selector", f"involvedObject.name={pod_name}")

    def _ask(self, *arguments: str) -> list[dict[str, Any]]:
        if self._num_failures >= MAX_FAILURES:
            return []
        try:
            items = kubectl.get(*arguments, namespace=self._namespace)
        except kubectl.KubectlError as error:
            log.debug("%s", error)
            self._num_failures += 1
            return []
        self._num_failures = 0
        return items


def find_reason(pod: Mapping[str, Any], events_of: Callable[[str], list[dict[str, Any]]]) -> str:
    """Describes why a pod does not run or was killed, and what to do; empty if it runs.

    Args:
        pod: the object from Kubernetes.
        events_of: returns the events of a pod by its name.
    """
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        state = container.get("state", {})
        if state.get("terminated", {}).get("reason") == "OOMKilled":
            return "OOMKilled: it needs more memory than its limit (raise the limit of train with --memory)"
        waiting = state.get("waiting", {})
        if waiting and waiting.get("reason") not in STARTING:
            return _advise(f"{waiting.get('reason')}: {waiting.get('message', '')}")
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            message = condition.get("message", "").partition(" no new claims")[0].partition(" preemption:")[0]
            return _advise(f"{condition.get('reason', 'Unschedulable')}: {message}")
    if status.get("phase") == "Pending":
        events = [event for event in events_of(pod["metadata"]["name"]) if event.get("type") == "Warning"]
        if events:
            return _advise(f"{events[-1]['reason']}: {events[-1].get('message', '')}")
        return "its container is being created"
    return ""


def _advise(reason: str) -> str:
    text = " ".join(reason.split()).rstrip(" .")
    advice = next((advice for words, advice in ADVICE.items() if words in text), "")
    return f"{text[:300]} ({advice})" if advice else text[:300]
