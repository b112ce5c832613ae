"""Rollouts with the code and the account of the deploy task, while a client sends requests to the service."""

import subprocess
from collections.abc import Iterator

import pytest

from components.deploy.release.rollout import find_bento
from tests.cluster.conftest import ready_replicas
from tests.cluster.support import kubectl as cluster
from tests.cluster.support.kubectl import DARKROOM, await_rollout, forwarded, kubectl
from tests.cluster.support.pipeline_run import Run, await_job, job_log
from tests.cluster.support.requests import asking

SERVE, CANARY = "darkroom-serve", "darkroom-serve-canary"
ROLL_OUT = """
import os, pathlib, shutil, sys, tempfile
from components.contract.errors import ServiceError
from components.deploy.release.package import fetch, publish, Reference
from components.deploy.release.rollout import Cluster, RolloutError, roll_out

name, reference, change = sys.argv[1:]
folder = pathlib.Path(tempfile.mkdtemp())
fetch(Reference.parse(reference), folder / "bento")
if change == "broken":
    shutil.rmtree(folder / "bento" / "src")
elif change == "other":
    (folder / "bento" / "note.txt").write_text("as good as the one before")
elif change == "wrong":
    (folder / "bento" / "note.txt").write_text("answers wrongly")

def check():
    if change == "wrong":
        raise ServiceError("The answers must equal evaluation's.")

try:
    new_reference = publish(Reference.parse(reference).run_id, folder)
    print("Outcome:", roll_out(Cluster.from_pod(), "darkroom", name, new_reference, check))
except RolloutError as error:
    print("Refused:", error)
"""


@pytest.fixture
def bento(served: Run) -> Iterator[str]:
    """The reference of the bento that the service serves; this bento is restored after the test."""
    reference = bento_of(SERVE)
    yield reference
    if bento_of(SERVE) != reference:
        kubectl("-n", DARKROOM, "rollout", "undo", f"deployment/{SERVE}")
        await_rollout(f"deployment/{SERVE}")


def bento_of(deployment: str) -> str:
    return str(find_bento(cluster.get(DARKROOM, "deployment", deployment)))


def generation(deployment: str) -> int:
    return int(cluster.get(DARKROOM, "deployment", deployment)["metadata"]["generation"])


def roll_out(run: Run, reference: str, change: str, name: str = SERVE, seconds: float = 400) -> str:
    """Rolls out a changed bento from the deploy task's pod, and returns the outcome."""
    job = run.start("deploy", command=["python3", "-c", ROLL_OUT, name, reference, change])
    await_job(job, seconds=seconds)
    return next(line for line in job_log(job).splitlines() if line.startswith(("Outcome: ", "Refused: ")))


def test_a_bento_that_cannot_start_is_rolled_back_and_every_request_is_answered(bento: str, served: Run) -> None:
    # With the manifest's setting, Kubernetes gives up after 300 s; this test shortens the time to 60 s.
    kubectl("-n", DARKROOM, "patch", "deployment", SERVE, "-p", '{"spec": {"progressDeadlineSeconds": 60}}')
    try:
        with asking(SERVE) as answers:
            outcome = roll_out(served, bento, "broken")
    finally:
        kubectl("-n", DARKROOM, "patch", "deployment", SERVE, "-p", '{"spec": {"progressDeadlineSeconds": 300}}')
    assert outcome.startswith(
        "Refused: The new pods of darkroom/darkroom-serve did not become ready, and Kubernetes gave up"
    )
    assert outcome.endswith(f"serves {bento} again.")
    assert bento_of(SERVE) == bento
    print(f"answered during the rollback: {answers.answered}")
    assert answers.failed == ()
    assert answers.answered > 20


def test_a_bento_that_answers_wrongly_is_rolled_back(bento: str, served: Run) -> None:
    with asking(SERVE) as answers:
        outcome = roll_out(served, bento, "wrong")
    assert outcome == f"Refused: The answers must equal evaluation's. darkroom/{SERVE} serves {bento} again."
    assert bento_of(SERVE) == bento
    assert answers.failed == ()


def test_an_identical_bento_is_not_rolled_out_again(bento: str, served: Run) -> None:
    before = generation(SERVE)
    assert ", which is the same bento" in roll_out(served, bento, "none")
    assert generation(SERVE) == before


def test_the_canary_is_rolled_out_beside_the_champion(bento: str, served: Run) -> None:
    kubectl("apply", "--server-side", "-n", DARKROOM, "-f", "k8s/components/canary/canary.yaml")
    before = generation(SERVE)
    try:
        assert roll_out(served, bento, "other", CANARY).startswith(f"Outcome: darkroom/{CANARY} now serves ")
        assert bento_of(CANARY) != bento
        with forwarded(CANARY) as url:
            assert subprocess.run(["curl", "--fail", "--silent", f"{url}/readyz"], check=False).returncode == 0
        assert (bento_of(SERVE), generation(SERVE)) == (bento, before)
    finally:
        kubectl("delete", "-n", DARKROOM, "-f", "k8s/components/canary/canary.yaml", "--ignore-not-found")


def test_a_drain_evicts_one_replica_at_a_time_and_no_request_fails(bento: str, served: Run) -> None:
    (node,) = cluster.get(DARKROOM, "nodes")["items"]
    name = node["metadata"]["name"]
    kubectl("-n", DARKROOM, "patch", "hpa", SERVE, "-p", '{"spec": {"minReplicas": 2}}')
    cluster.wait_until(lambda: ready_replicas() == 2, "the second replica", 180)
    options = ["--ignore-daemonsets", "--delete-emptydir-data", f"--pod-selector=app.kubernetes.io/name={SERVE}"]
    try:
        with asking(SERVE) as answers:
            drain = subprocess.Popen(
                ["kubectl", "drain", name, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            # The replacement cannot be scheduled on the cordoned node, so the disruption budget protects the last pod.
            cluster.wait_until(lambda: ready_replicas() == 1, "the first eviction", 120)
            with pytest.raises(subprocess.TimeoutExpired):
                drain.wait(20)
            assert ready_replicas() == 1
            kubectl("uncordon", name)
            output, _ = drain.communicate(timeout=240)
            assert drain.returncode == 0, output
            cluster.wait_until(lambda: ready_replicas() == 2, "both replicas", 180)
    finally:
        kubectl("uncordon", name)
        kubectl("-n", DARKROOM, "patch", "hpa", SERVE, "-p", '{"spec": {"minReplicas": 1}}')
    print(f"answered during the drain: {answers.answered}")
    assert answers.failed == ()
    assert answers.answered > 20
