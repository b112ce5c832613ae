"""Calls kubectl for the cluster that KUBECONFIG names."""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.support.processes import free_port
from tests.support.source_tree import ROOT

DARKROOM, KUBEFLOW = "darkroom", "kubeflow"
"""The namespaces of the manifests."""
ANSWER_SECONDS = 300


class KubectlError(AssertionError):
    """kubectl returned an error."""


def kubectl(*arguments: str, stdin: str = "", seconds: float = ANSWER_SECONDS) -> str:
    """Runs kubectl in the root of the repository, like the guide's commands, and returns its output."""
    result = subprocess.run(
        ["kubectl", *arguments], input=stdin, capture_output=True, text=True, check=False, timeout=seconds, cwd=ROOT
    )
    if result.returncode != 0:
        raise KubectlError(f"kubectl {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout


def apply(*manifests: Mapping[str, Any]) -> None:
    """Creates or changes objects."""
    options = ["--server-side", "--force-conflicts"]
    kubectl(
        "apply", *options, "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
    )


def get(namespace: str, *arguments: str) -> dict[str, Any]:
    """Returns Kubernetes objects, as `kubectl get` reports them in JSON."""
    answer: dict[str, Any] = json.loads(kubectl("-n", namespace, "get", *arguments, "-o", "json"))
    return answer


def exists(namespace: str, *arguments: str) -> bool:
    return bool(kubectl("-n", namespace, "get", *arguments, "--ignore-not-found", "-o", "name").strip())


def pods(namespace: str, selector: str) -> list[dict[str, Any]]:
    """Returns the pods with these labels, except those that are being deleted."""
    items: list[dict[str, Any]] = get(namespace, "pods", "-l", selector)["items"]
    return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]


def delete(namespace: str, *arguments: str, seconds: int = 120) -> None:
    kubectl("-n", namespace, "delete", *arguments, "--ignore-not-found", f"--timeout={seconds}s")


def run_in(namespace: str, pod: str, *command: str, stdin: str = "", container: str = "") -> str:
    """Runs a command in a container and returns its output."""
    options = [*(["-c", container] if container else []), *(["-i"] if stdin else [])]
    return kubectl("-n", namespace, "exec", pod, *options, "--", *command, stdin=stdin)


def wait_until(condition: Callable[[], object], what: Callable[[], str] | str, seconds: float) -> None:
    """Returns as soon as `condition` is true.

    Args:
        condition: checked every second.
        what: what is awaited, for the error message, such as "the second replica"; a function can add the latest state.
        seconds: the time after which the test fails.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what if isinstance(what, str) else what()}")
        time.sleep(1)


def await_rollout(*names: str, namespace: str = DARKROOM, seconds: int = 600) -> None:
    """Waits until workloads, such as `deployment/mlflow`, have all their replicas."""
    for name in names:
        kubectl("-n", namespace, "rollout", "status", name, f"--timeout={seconds}s", seconds=seconds + 30)


@contextlib.contextmanager
def forwarded(service: str, namespace: str = DARKROOM, port: int = 80) -> Iterator[str]:
    """Forwards a service of the cluster to this machine; yields the local address."""
    local = free_port()
    # By default, kubectl listens only on ::1, without an error, if another program is using the port on 127.0.0.1.
    options = ["--address", "127.0.0.1"]
    command = ["kubectl", "-n", namespace, "port-forward", *options, f"svc/{service}", f"{local}:{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forwarder:
        try:
            assert forwarder.stdout is not None
            first_line = forwarder.stdout.readline()
            assert "Forwarding" in first_line, f"{' '.join(command)} printed {first_line!r}"
            yield f"http://127.0.0.1:{local}"
        finally:
            forwarder.terminate()
