"""Queries Kubernetes with kubectl for facts that KFP does not report."""

import json
import subprocess
from typing import Any, Final

from components.contract.errors import DarkroomError
from components.contract.system import launcher

ANSWER_SECONDS: Final = 10.0


class KubectlError(DarkroomError):
    """kubectl is missing, fails or does not answer."""


def get(*arguments: str, namespace: str) -> list[dict[str, Any]]:
    """Returns the objects that `kubectl get` finds.

    Args:
        arguments: the kind of the objects, and the options that select them.
        namespace: the namespace of the objects; ignored for kinds without namespaces.

    Raises:
        KubectlError: kubectl is missing, fails or does not answer.
    """
    try:
        command = launcher.program("kubectl", "-n", namespace, "get", *arguments, "-o", "json")
        answer = launcher.run(command, timeout_seconds=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KubectlError(f"kubectl cannot be run: {error}") from None
    if answer.returncode != 0:
        raise KubectlError(f"kubectl failed: {answer.stderr.strip()}")
    items: list[dict[str, Any]] = json.loads(answer.stdout).get("items", [])
    return items
