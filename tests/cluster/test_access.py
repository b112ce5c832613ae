"""Which requests the Kubernetes API accepts with the tokens that are mounted in the pods."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import compile_small
from tests.cluster.support import kubectl as cluster
from tests.cluster.support.kubectl import DARKROOM, kubectl
from tests.cluster.support.pipeline_run import Run, await_job, job_log

RUNNER, ROLLOUT = "kubeflow:pipeline-runner", "kubeflow:darkroom-rollout"
DEPLOYMENTS = "apis/apps/v1/namespaces/darkroom/deployments"
SERVICE = (f"PATCH {DEPLOYMENTS}/darkroom-serve", f"PATCH {DEPLOYMENTS}/darkroom-serve-canary")
OTHERS = (
    f"DELETE {DEPLOYMENTS}/darkroom-serve",
    f"PATCH {DEPLOYMENTS}/mlflow",
    "PATCH apis/apps/v1/namespaces/darkroom/statefulsets/postgres",
    "PATCH api/v1/namespaces/darkroom/configmaps/mlflow",
    "GET api/v1/namespaces/darkroom/secrets/darkroom-postgres",
)
ASK = """
import base64, json, os, ssl, sys, urllib.error, urllib.request
from pathlib import Path

server = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
answers = {}
for path in Path("/var/run/secrets").rglob("token"):
    if path.parent.name.startswith(".."):
        continue
    token = path.read_text().strip()
    payload = token.split(".")[1]
    account = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]
    context = ssl.create_default_context(cafile=path.with_name("ca.crt"))
    answers[account.removeprefix("system:serviceaccount:")] = statuses = {}
    for request in sys.argv[1:]:
        method, place = request.split()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/strategic-merge-patch+json"}
        body = b'{"metadata": {"annotations": {"tried": "yes"}}}' if method == "PATCH" else None
        url = f"{server}/{place}?dryRun=All"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method), timeout=30,
                                        context=context) as answer:
                statuses[request] = answer.status
        except urllib.error.HTTPError as error:
            statuses[request] = error.code
print("answers:", json.dumps(answers))
"""
"""Sends the requests as dry runs with every mounted token; prints the statuses by account."""


@pytest.fixture
def canary(installed: None) -> Iterator[None]:
    """Creates the canary's Deployment, which has no bento and therefore does not serve."""
    kubectl("apply", "--server-side", "-n", DARKROOM, "-f", "k8s/components/canary/canary.yaml")
    yield
    kubectl("delete", "-n", DARKROOM, "-f", "k8s/components/canary/canary.yaml", "--ignore-not-found")


def test_only_the_deploy_task_may_change_the_service_and_it_may_change_nothing_else(
    data: Path, canary: None, tmp_path: Path
) -> None:
    run = Run(compile_small(tmp_path / "pipeline.yaml", "--set", "tune.trials=2", "--memory", "1Gi"))
    jobs = {task: run.start(task, command=["python3", "-c", ASK, *SERVICE, *OTHERS]) for task in run.tasks}
    answers = {}
    for task, job in jobs.items():
        await_job(job, seconds=240)
        (line,) = [line for line in job_log(job).splitlines() if line.startswith("answers: ")]
        answers[task] = json.loads(line.removeprefix("answers: "))
    refused = dict.fromkeys((*SERVICE, *OTHERS), 403)
    expected = {task: {RUNNER: refused} for task in run.tasks}
    expected["deploy"] = {RUNNER: refused, ROLLOUT: refused | dict.fromkeys(SERVICE, 200)}
    assert {"preprocess", "tune", "train", "evaluate", "deploy", "close"} <= set(expected)
    assert answers == expected


def test_no_server_pod_has_a_token(served: Run) -> None:
    pods = cluster.get(DARKROOM, "pods")["items"]
    names = {pod["metadata"]["labels"].get("app.kubernetes.io/name") for pod in pods}
    assert {"darkroom-serve", "mlflow", "postgres", "s3"} <= names
    mounts = [
        (pod["metadata"]["name"], mount["mountPath"])
        for pod in pods
        for container in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ()))
        for mount in container["volumeMounts"]
    ]
    assert [mount for mount in mounts if mount[1].startswith(("/var/run/secrets", "/run/secrets"))] == []
