"""Rolls out a bento on Kubernetes: patches the Deployment, waits, checks the answers, and rolls back on failure."""

import json
import logging
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from components.contract.artifacts.bento import DeploymentInfo
from components.contract.errors import ServiceError
from components.contract.system.waiting import OUTAGE_SECONDS, is_in_pod, wait_for
from components.contract.tracking.store import stored_id
from components.contract.tracking.tracked_step import tag_pipeline_run
from components.deploy.client import Client
from components.deploy.parity import check_parity, golden_photos, read_expected
from components.deploy.release.package import BENTO_VARIABLE, Reference, is_same_content, publish
from components.deploy.service.settings import read_settings

log = logging.getLogger(__name__)

TARGET_VARIABLE: Final = "DARKROOM_ROLLOUT"
"""The environment variable that names the Deployment for promoted models, `<namespace>/<deployment>`; if it is not
set, there is no rollout."""
OUTCOME: Final = "Outcome: "
"""The prefix of the log line that reports which model is served; `darkroom submit` looks for it."""
INIT_CONTAINER: Final = "fetch"
ACCOUNT_DIR: Final = Path("/var/run/secrets/darkroom-rollout")
"""The folder with the credentials of the account that may change the service's Deployments; only deploy has it."""
TIMEOUT_SECONDS: Final = 600.0
POLL_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 30.0


class RolloutError(ServiceError):
    """The cluster rejects the rollout, or the new bento does not become ready or returns wrong answers."""


@dataclass(frozen=True)
class Cluster:
    """The Kubernetes API, accessed from a pod.

    Attributes:
        url: the address of the API server.
        token: the token of the account that may change the service.
        ca_path: the file with the CA certificate that verifies the server; None for plain HTTP.
        outage_seconds: how long to wait for a server that does not answer.
    """

    url: str
    token: str
    ca_path: Path | None
    outage_seconds: float = OUTAGE_SECONDS

    @classmethod
    def from_pod(cls) -> "Cluster":
        """The API of the cluster that this pod runs in.

        Raises:
            RolloutError: this process is not in a pod with the account's token.
        """
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
        try:
            token = (ACCOUNT_DIR / "token").read_text(encoding="utf-8").strip()
        except OSError as error:
            raise RolloutError(
                "A rollout requires a pod with the token of the service account darkroom-rollout, but the token is "
                f"missing: {error}. Apply k8s/pipelines, and submit with --rollout."
            ) from None
        return cls(f"https://{host}:{port}", token, ACCOUNT_DIR / "ca.crt")

    def deployment(self, namespace: str, name: str, patch: dict[str, Any] | None = None) -> dict[str, Any]:
        """Reads a Deployment, or changes it with a strategic merge patch and returns the result.

        Raises:
            RolloutError: the API rejects the request or cannot be reached.
        """
        request = urllib.request.Request(  # noqa: S310 - the address is the cluster's own
            f"{self.url}/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
            data=None if patch is None else json.dumps(patch).encode(),
            method="GET" if patch is None else "PATCH",
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/strategic-merge-patch+json",
            },
        )
        context = ssl.create_default_context(cafile=self.ca_path) if self.ca_path else None

        def ask() -> dict[str, Any]:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS, context=context) as answer:  # noqa: S310 - as above
                deployment: dict[str, Any] = json.load(answer)
                return deployment

        try:
            return wait_for(ask, "The Kubernetes API", _is_temporary, self.outage_seconds)
        except urllib.error.HTTPError as error:
            error.close()
            raise RolloutError(
                f"The deploy task must be allowed to get and patch the deployment {namespace}/{name}; "
                f"Kubernetes answered {error.code} {error.reason}. See k8s/base/rollout.yaml."
            ) from None
        except OSError as error:
            raise RolloutError(f"The Kubernetes API does not answer at {self.url}: {error}.") from None


def _is_temporary(error: Exception) -> bool:
    """Whether the Kubernetes API may answer later, because it is restarting or has too many requests."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code == 429 or error.code >= 500
    return isinstance(error, OSError)


def find_target() -> str | None:
    """The Deployment for promoted models, `<namespace>/<deployment>`; None if no rollout was requested."""
    return os.environ.get(TARGET_VARIABLE) or None


def report_outcome(info: DeploymentInfo, bento_dir: Path, dataset_dir: Path, evaluation_dir: Path) -> None:
    """Rolls out a promoted bento if DARKROOM_ROLLOUT names a Deployment, and reports which model is served and why.

    `darkroom submit` prints this report; if a Deployment is named, the MLflow run also has it as a tag. Outside a
    cluster, without DARKROOM_ROLLOUT, nothing is reported.

    Args:
        info: the result of the deploy step.
        bento_dir: contains deployment.json and bento/.
        dataset_dir: contains golden/<image_id>.<suffix>.
        evaluation_dir: contains predictions.parquet.

    Raises:
        RolloutError: the rollout failed; the message names the bento that is served, if it is known.
        TrackingError: MLflow does not store the bento.
    """
    target = find_target()
    if target is None and not is_in_pod():
        return
    if target is None:
        outcome = f"{info.promotion_reason} No rollout was requested."
    elif not info.promoted or info.registered_run is None:
        outcome = f"No rollout: {info.promotion_reason} {_describe_current(target)}"
    else:
        outcome = f"{_roll_out_promoted(target, info, bento_dir, dataset_dir, evaluation_dir)} {info.promotion_reason}"
    log.info("%s%s", OUTCOME, outcome)
    if target is not None:
        tag_pipeline_run({"darkroom.rollout": outcome})


def _describe_current(target: str) -> str:
    namespace, _, name = target.partition("/")
    try:
        bento = find_bento(Cluster.from_pod().deployment(namespace, name))
    except RolloutError as error:
        return f"The model that {target} serves is unknown: {error}"
    return f"{target} still serves {bento}." if bento else f"{target} serves no bento."


def _roll_out_promoted(
    target: str, info: DeploymentInfo, bento_dir: Path, dataset_dir: Path, evaluation_dir: Path
) -> str:
    assert info.registered_run is not None, "the caller must check that the model is registered"
    namespace, _, name = target.partition("/")
    reference = publish(stored_id(info.registered_run), bento_dir)
    photos, expected = golden_photos(dataset_dir), read_expected(evaluation_dir)

    def check_answers() -> None:
        with connect_service(namespace, name) as client:
            check_parity(client, photos, expected, info.class_names)

    return roll_out(Cluster.from_pod(), namespace, name, reference, check_answers)


def connect_service(namespace: str, name: str) -> Client:
    """Creates a client for a Deployment's service, with the API key if the service requires one.

    Raises:
        ServiceError: the API key in the environment is invalid.
    """
    return Client(f"http://{name}.{namespace}.svc.cluster.local", api_key=read_settings().api_key)


def roll_out(
    cluster: Cluster,
    namespace: str,
    name: str,
    reference: Reference,
    check: Callable[[], None],
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> str:
    """Makes a Deployment serve a bento; if that fails, rolls back to the previous bento.

    Args:
        cluster: the Kubernetes API.
        namespace: the namespace of the Deployment.
        name: the name of the Deployment.
        reference: the bento to serve.
        check: sends known photos to the new service; raises a ServiceError if an answer is wrong.
        timeout_seconds: the maximum time until the new pods are ready.

    Returns:
        A sentence that names the served bento.

    Raises:
        RolloutError: the rollout failed; the message contains the reason and the served bento.
    """
    earlier_bento = find_bento(cluster.deployment(namespace, name))
    if earlier_bento is not None and is_same_content(earlier_bento, reference):
        return f"{namespace}/{name} already serves {earlier_bento}, which is the same bento."
    log.info("Rolling out %s to %s/%s.", reference, namespace, name)
    cluster.deployment(namespace, name, make_patch(str(reference)))
    try:
        _await_rollout(cluster, namespace, name, timeout_seconds)
        check()
    except ServiceError as error:
        if earlier_bento is None:
            raise RolloutError(
                f"{error} {namespace}/{name} served no bento before, so there is none to roll back to."
            ) from None
        log.warning("Rolling back to %s: %s", earlier_bento, error)
        cluster.deployment(namespace, name, make_patch(earlier_bento))
        _await_rollout(cluster, namespace, name, timeout_seconds)
        raise RolloutError(f"{error} {namespace}/{name} serves {earlier_bento} again.") from None
    return f"{namespace}/{name} now serves {reference} and returns the same answers as evaluation."


def find_bento(deployment: dict[str, Any]) -> str | None:
    """The reference to the bento that a Deployment is configured to serve; None if there is none."""
    for container in deployment["spec"]["template"]["spec"].get("initContainers", []):
        if container["name"] == INIT_CONTAINER:
            for variable in container.get("env", []):
                if variable["name"] == BENTO_VARIABLE:
                    return str(variable.get("value") or "") or None
    return None


def make_patch(reference: str) -> dict[str, Any]:
    """A patch that sets the bento that a Deployment serves, and changes nothing else."""
    container = {"name": INIT_CONTAINER, "env": [{"name": BENTO_VARIABLE, "value": reference}]}
    return {"spec": {"template": {"spec": {"initContainers": [container]}}}}


def _await_rollout(cluster: Cluster, namespace: str, name: str, timeout_seconds: float) -> None:
    """Waits until every replica is updated and ready.

    Raises:
        RolloutError: the rollout takes too long, or Kubernetes has given up.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        deployment = cluster.deployment(namespace, name)
        status, num_replicas = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
        if status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]:
            num_new, num_ready = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
            if num_new == num_ready == status.get("replicas", 0) == num_replicas:
                return
            for condition in status.get("conditions", []):
                if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
                    raise RolloutError(
                        f"The new pods of {namespace}/{name} did not become ready, and Kubernetes gave up: "
                        f"{condition.get('message', 'no reason given')}"
                    )
        if time.monotonic() > deadline:
            raise RolloutError(
                f"The new pods of {namespace}/{name} were not ready within {timeout_seconds:g} s: "
                f"{status.get('availableReplicas', 0)} of {num_replicas} are ready."
            )
        time.sleep(POLL_SECONDS)
