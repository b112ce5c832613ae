"""Runs the tasks of the compiled pipeline as Jobs, in place of KFP, which the cluster does not have.

Nothing is cached. As with KFP, a lost pod is replaced, and a step that exits with an error is not retried.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.cluster.support import kubectl as cluster
from tests.cluster.support.kubectl import KUBEFLOW, kubectl
from tests.cluster.support.task_pods import ARTIFACTS_DIR, pod_spec

ROOT_URI = "minio://mlpipeline/v2/artifacts"
RUN_LABEL, NODE_ANNOTATION = "pipeline/runid", "workflows.argoproj.io/node-id"
STEP_ERRORS = [1, 2]
"""Exit codes after which a task is not retried."""
FILES_POD = "proof-files"
"""The pod that mounts the artifact volume."""


@dataclass
class Run:
    """One run of a compiled pipeline.

    Attributes:
        path: the compiled pipeline.
        id: the id of this run, which is also the run key of its MLflow run.
        arguments: values that replace the defaults of the pipeline's parameters.
        artifacts: (task, output) → URI; can be filled with the URIs from an earlier run.
        outputs: (task, output) → value of an output parameter.
    """

    path: Path
    id: str = field(default_factory=lambda: f"proof-{secrets.token_hex(4)}")
    arguments: dict[str, str] = field(default_factory=dict)
    artifacts: dict[tuple[str, str], str] = field(default_factory=dict)
    outputs: dict[tuple[str, str], str] = field(default_factory=dict)

    @cached_property
    def documents(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The two documents of the compiled pipeline: the IR and the platform document."""
        ir, platform = YAML(typ="safe").load_all(self.path.read_text())
        return ir, platform["platforms"]["kubernetes"]

    @cached_property
    def tasks(self) -> dict[str, dict[str, Any]]:
        """The tasks, each after the tasks that it depends on, and the exit handler's task last."""
        ir, _ = self.documents
        steps: dict[str, dict[str, Any]] = dict(ir["components"]["comp-exit-handler-1"]["dag"]["tasks"])
        tasks: dict[str, dict[str, Any]] = {}
        while steps:
            name = next(name for name, task in steps.items() if set(task.get("dependentTasks", ())) <= set(tasks))
            tasks[name] = steps.pop(name)
        return tasks | {"close": ir["root"]["dag"]["tasks"]["close"]}

    def start(self, name: str, *, command: list[str] | None = None, status: str = "COMPLETE") -> str:
        """Creates the Job of a task.

        Args:
            name: the name of the task.
            command: a command to run in the task's pod instead of the task.
            status: the final state of the pipeline that is passed to the exit handler's task.

        Returns:
            The name of the Job.
        """
        job = self.make_job(name, command, status)
        cluster.apply(job)
        return str(job["metadata"]["name"])

    def run(self, *names: str, seconds: float = 600, status: str = "COMPLETE") -> None:
        """Runs tasks at the same time, and waits until all have succeeded."""
        jobs = {name: self.start(name, status=status) for name in names}
        for name, job in jobs.items():
            await_job(job, seconds=seconds)
            self._read_outputs(name)

    def run_all(self, seconds: float = 600) -> None:
        """Runs all tasks, one after another."""
        for name in self.tasks:
            self.run(name, seconds=seconds)

    def make_job(self, name: str, command: list[str] | None = None, status: str = "COMPLETE") -> dict[str, Any]:
        """Returns the Job of a task; the arguments are those of `start`."""
        ir, platform = self.documents
        task = self.tasks[name]
        executor = ir["components"][task["componentRef"]["name"]]["executorLabel"]
        container = ir["deploymentSpec"]["executors"][executor]["container"]
        placement = platform["deploymentSpec"]["executors"][executor]
        if command:
            pod = pod_spec(container | {"command": command}, placement, [])
        else:
            executor_input = json.dumps(self._executor_input(name, status))
            pod = pod_spec(container, placement, [word.replace("{{$}}", executor_input) for word in container["args"]])
        job_name = f"{self.id}-{name}{f'-{secrets.token_hex(2)}' if command else ''}"
        labels = {RUN_LABEL: self.id} | placement.get("podMetadata", {}).get("labels", {})
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": job_name, "namespace": KUBEFLOW, "labels": labels},
            "spec": {
                "backoffLimit": 0 if command else task.get("retryPolicy", {}).get("maxRetryCount", 0),
                "podFailurePolicy": {
                    "rules": [
                        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": STEP_ERRORS}},
                    ]
                },
                "template": {
                    "metadata": {"labels": labels, "annotations": {NODE_ANNOTATION: job_name}},
                    "spec": pod,
                },
            },
        }

    def _executor_input(self, name: str, status: str) -> dict[str, Any]:
        ir, _ = self.documents
        task = self.tasks[name]
        component = ir["components"][task["componentRef"]["name"]]
        inputs = task.get("inputs", {})
        parameters = {key: self._parameter(source, status) for key, source in inputs.get("parameters", {}).items()}
        artifacts = {
            key: _artifact(self.artifacts[source["producerTask"], source["outputArtifactKey"]])
            for key, source in (
                (key, entry["taskOutputArtifact"]) for key, entry in inputs.get("artifacts", {}).items()
            )
        }
        folder = f"{ROOT_URI}/{ir['pipelineInfo']['name']}/{self.id}/{name}"
        outputs = component.get("outputDefinitions", {})
        for key in outputs.get("artifacts", {}):
            self.artifacts[name, key] = f"{folder}/{key}"
        return {
            "inputs": {"parameterValues": parameters, "artifacts": artifacts},
            "outputs": {
                "parameters": {
                    key: {"outputFile": _local_path(f"{folder}/{key}")} for key in outputs.get("parameters", {})
                },
                "artifacts": {
                    key: _artifact(f"{folder}/{key}", definition["artifactType"])
                    for key, definition in outputs.get("artifacts", {}).items()
                },
                "outputFile": _local_path(f"{folder}/executor_output.json"),
            },
        }

    def _parameter(self, source: Mapping[str, Any], status: str) -> Any:
        if "taskFinalStatus" in source:
            # KFP 2.17 passes the status in this form.
            return {
                "state": status,
                "error": {},
                "pipelineJobResourceName": self.id,
                "pipelineTaskName": "exit-handler-1",
            }
        if "taskOutputParameter" in source:
            output = source["taskOutputParameter"]
            return self.outputs[output["producerTask"], output["outputParameterKey"]]
        name = source["componentInputParameter"].removeprefix("pipelinechannel--")
        if name in self.arguments:
            return self.arguments[name]
        ir, _ = self.documents
        return ir["root"]["inputDefinitions"]["parameters"][name]["defaultValue"]

    def _read_outputs(self, name: str) -> None:
        ir, _ = self.documents
        component = ir["components"][self.tasks[name]["componentRef"]["name"]]
        if component.get("outputDefinitions", {}).get("parameters"):
            uri = f"{ROOT_URI}/{ir['pipelineInfo']['name']}/{self.id}/{name}/executor_output.json"
            values = json.loads(read_artifact(uri))["parameterValues"]
            self.outputs |= {(name, key): value for key, value in values.items()}


def read_artifact(uri: str) -> str:
    """Returns the text of a file on the artifact volume."""
    return cluster.run_in(KUBEFLOW, FILES_POD, "cat", _local_path(uri))


def await_job(name: str, *, namespace: str = KUBEFLOW, seconds: float = 600) -> None:
    """Waits until a Job has succeeded; fails the test with the end of its log if it does not."""
    wait_for_end(name, namespace=namespace, seconds=seconds)
    status = cluster.get(namespace, "job", name)["status"]
    assert status.get("succeeded"), f"{name} failed: {status}\n{job_log(name, namespace=namespace)[-6000:]}"


def wait_for_end(name: str, *, namespace: str = KUBEFLOW, seconds: float = 600) -> None:
    """Waits until a Job has succeeded or failed."""

    def has_ended() -> bool:
        conditions = cluster.get(namespace, "job", name)["status"].get("conditions", [])
        return any(condition["type"] in ("Complete", "Failed") for condition in conditions)

    def describe() -> str:
        status = [pod["status"] for pod in cluster.pods(namespace, f"job-name={name}")]
        return f"the end of {name}: {json.dumps(status)[:3000]}\n{job_log(name, namespace=namespace)[-3000:]}"

    cluster.wait_until(has_ended, describe, seconds)


def job_log(name: str, *, namespace: str = KUBEFLOW) -> str:
    """Returns the log of a Job's pod; empty if the pod has not started."""
    try:
        return kubectl("-n", namespace, "logs", f"job/{name}", "--all-containers", "--tail=-1")
    except cluster.KubectlError:
        return ""


def _local_path(uri: str) -> str:
    return f"{ARTIFACTS_DIR}/{uri.removeprefix('minio://')}"


def _artifact(uri: str, kind: Mapping[str, str] | None = None) -> dict[str, Any]:
    entry = {"name": uri.rpartition("/")[2], "uri": uri, "metadata": {}, "type": dict(kind or {})}
    return {"artifacts": [entry]}
