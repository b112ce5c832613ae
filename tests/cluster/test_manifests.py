"""The API server accepts the unchanged manifests; Pod Security and network policies restrict their pods."""

import subprocess

import pytest

from tests.cluster.support import kubectl as cluster
from tests.cluster.support.images import PROOF
from tests.cluster.support.kubectl import DARKROOM, KUBEFLOW, kubectl
from tests.cluster.support.pipeline_run import Run
from tests.contract.kubernetes.manifests import GATEWAY_MODULE, find_module
from tests.support.source_tree import ROOT

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=4).close()
    print("reached")
except OSError:
    print("refused")
"""
POSTGRES, S3, MLFLOW = ("postgres.darkroom", "5432"), ("s3.darkroom", "8333"), ("mlflow.darkroom", "5000")
SERVE, API = ("darkroom-serve.darkroom", "80"), ("kubernetes.default", "443")


@pytest.mark.parametrize("overlay", ["local", "gpu", "production"])
def test_the_api_server_accepts_every_overlay_without_a_warning(overlay: str, installed: None) -> None:
    if overlay == "production" and not cluster.exists(DARKROOM, "crd", "httproutes.gateway.networking.k8s.io"):
        kubectl("apply", "--server-side", "-f", str(find_module(*GATEWAY_MODULE) / "config" / "crd" / "standard"))
    command = [
        "kubectl",
        "apply",
        "--server-side",
        "--dry-run=server",
        "--field-manager=proof",
        "--force-conflicts",
        "-k",
    ]
    result = subprocess.run(
        [*command, f"k8s/overlays/{overlay}"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


def test_no_pod_was_refused_or_killed(installed: None) -> None:
    for namespace in (DARKROOM, KUBEFLOW):
        events = cluster.get(namespace, "events")["items"]
        messages = [
            event["message"] for event in events if event["reason"] in ("FailedCreate", "OOMKilling", "Evicted")
        ]
        assert messages == [], namespace


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("deployment/mlflow", POSTGRES, "reached"),
        ("deployment/mlflow", S3, "reached"),
        ("deployment/mlflow", SERVE, "refused"),
        ("deployment/mlflow", API, "refused"),
        ("deployment/darkroom-serve", MLFLOW, "reached"),
        ("deployment/darkroom-serve", POSTGRES, "refused"),
        ("deployment/darkroom-serve", S3, "refused"),
        ("deployment/darkroom-serve", API, "refused"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_pod_reaches_only_what_it_needs(source: str, target: tuple[str, str], expected: str, served: Run) -> None:
    assert cluster.run_in(DARKROOM, source, "python3", "-c", CONNECT, *target).strip() == expected


@pytest.mark.parametrize("target", [POSTGRES, S3, MLFLOW, SERVE], ids=lambda target: target[0])
def test_pods_in_other_namespaces_reach_nothing(target: tuple[str, str], installed: None, stranger: str) -> None:
    assert cluster.run_in(PROOF, stranger, "python3", "-c", CONNECT, *target).strip() == "refused"


def test_a_privileged_pod_is_refused(installed: None) -> None:
    with pytest.raises(cluster.KubectlError, match="violates PodSecurity"):
        kubectl("-n", DARKROOM, "run", "privileged", "--image=busybox", "--privileged", "--dry-run=server")
