"""A rollout changes only the bento of a Deployment, reports which bento is served, and is reverted if it fails."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.contract.artifacts.bento import DeploymentInfo, Lineage, ServiceCheck
from components.contract.artifacts.dataset import Source
from components.contract.errors import ServiceError
from components.contract.system import waiting
from components.deploy.release import rollout
from components.deploy.release.package import Reference, publish
from components.deploy.release.rollout import Cluster, RolloutError, find_bento, make_patch, report_outcome, roll_out
from tests.support.json_response import send_json

OLD, NEW = (Reference(letter * 32, letter * 64) for letter in "ab")


class StandIn:
    """A stand-in for the Kubernetes API, because no cluster can run here: it serves one Deployment over HTTP.

    It merges the patch of a rollout as Kubernetes does, and its pods become ready unless their bento is in `failures`.
    """

    def __init__(self, serves: str | None):
        env = [{"name": "OTHER", "value": "kept"}, *([{"name": "DARKROOM_BENTO", "value": serves}] if serves else [])]
        self.env = {variable["name"]: variable["value"] for variable in env}
        self.failures: dict[str, str] = {}
        self.generation = 1
        self.is_forbidden = False
        self.num_outages = 0
        self.patches: list[str] = []
        self.url = ""

    def patch(self, body: dict[str, Any]) -> None:
        (container,) = body["spec"]["template"]["spec"]["initContainers"]
        assert container["name"] == "fetch"
        self.env |= {variable["name"]: variable["value"] for variable in container["env"]}
        self.patches.append(self.env["DARKROOM_BENTO"])
        self.generation += 1

    def deployment(self) -> dict[str, Any]:
        failure = self.failures.get(self.env.get("DARKROOM_BENTO", ""))
        conditions = [{"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": failure}]
        env = [{"name": name, "value": value} for name, value in self.env.items()]
        return {
            "metadata": {"generation": self.generation},
            "spec": {
                "replicas": 2,
                "template": {"spec": {"initContainers": [{"name": "fetch", "env": env}], "containers": []}},
            },
            "status": {
                "observedGeneration": self.generation,
                "replicas": 2 if not failure else 3,
                "updatedReplicas": 2,
                "availableReplicas": 2,
                "conditions": conditions if failure and failure != "slow" else [],
            },
        }


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str | None], StandIn]]:
    monkeypatch.setattr(rollout, "POLL_SECONDS", 0.01)
    servers: list[ThreadingHTTPServer] = []

    def start(serves: str | None) -> StandIn:
        stand_in = StandIn(serves)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._respond()

            def do_PATCH(self) -> None:
                assert self.headers["Content-Type"] == "application/strategic-merge-patch+json"
                stand_in.patch(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self._respond()

            def _respond(self) -> None:
                if stand_in.num_outages:
                    stand_in.num_outages -= 1
                    send_json(self, 503, {"message": "the API server restarts"})
                    return
                is_known = self.path == "/apis/apps/v1/namespaces/darkroom/deployments/darkroom-serve"
                is_allowed = self.headers["Authorization"] == "Bearer token" and not stand_in.is_forbidden
                send_json(self, 200 if is_known and is_allowed else 403, stand_in.deployment())

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        stand_in.url = f"http://127.0.0.1:{server.server_port}"
        return stand_in

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


Api = Callable[[str | None], StandIn]


def roll(stand_in: StandIn, check: Callable[[], None] = lambda: None, timeout_seconds: float = 10) -> str:
    return roll_out(Cluster(stand_in.url, "token", None), "darkroom", "darkroom-serve", NEW, check, timeout_seconds)


@pytest.mark.parametrize("before", [None, str(OLD)], ids=["no bento before", "another bento before"])
def test_a_rollout_sets_the_bento_and_changes_nothing_else(before: str | None, api: Api) -> None:
    stand_in = api(before)
    assert roll(stand_in) == f"darkroom/darkroom-serve now serves {NEW} and returns the same answers as evaluation."
    assert stand_in.env == {"OTHER": "kept", "DARKROOM_BENTO": str(NEW)}
    assert find_bento(stand_in.deployment()) == str(NEW)


def test_a_bento_that_is_already_served_is_not_rolled_out_again(api: Api) -> None:
    stand_in = api(str(NEW))
    assert roll(stand_in) == f"darkroom/darkroom-serve already serves {NEW}, which is the same bento."
    assert stand_in.patches == []


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_identical_bento_of_another_run_is_rolled_out_only_if_the_served_one_is_gone(
    is_kept: bool, bento: Path, run_id: str, api: Api
) -> None:
    earlier = publish(run_id, bento) if is_kept else Reference("0" * 32, NEW.sha256)
    reference = Reference("1" * 32, earlier.sha256)
    stand_in = api(str(earlier))
    roll_out(Cluster(stand_in.url, "token", None), "darkroom", "darkroom-serve", reference, lambda: None, 10)
    assert stand_in.patches == ([] if is_kept else [str(reference)])


def test_a_rollout_outlasts_an_outage_of_the_kubernetes_api(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_PAUSE_SECONDS", 0.01)
    stand_in = api(str(OLD))
    stand_in.num_outages = 3
    roll(stand_in)
    assert stand_in.patches == [str(NEW)]


@pytest.mark.parametrize("serves", [str(OLD), None])
def test_without_a_promotion_the_outcome_reports_the_served_bento(
    serves: str | None, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in = api(serves)
    monkeypatch.setenv("DARKROOM_ROLLOUT", "darkroom/darkroom-serve")
    monkeypatch.setattr(Cluster, "from_pod", lambda: Cluster(stand_in.url, "token", None))
    caplog.set_level("INFO")
    report_outcome(deployment_info(promoted=False), tmp_path, tmp_path, tmp_path)
    state = f"still serves {OLD}" if serves else "serves no bento"
    assert f"Outcome: No rollout: It is worse. darkroom/darkroom-serve {state}." in caplog.text
    assert stand_in.patches == []


def test_without_a_rollout_target_an_outcome_is_reported_only_in_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.delenv("DARKROOM_ROLLOUT", raising=False)
    report_outcome(deployment_info(promoted=True), tmp_path, tmp_path, tmp_path)
    assert "Outcome" not in caplog.text, "outside a cluster, no outcome may be reported"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    report_outcome(deployment_info(promoted=True), tmp_path, tmp_path, tmp_path)
    assert "Outcome: It is worse. No rollout was requested." in caplog.text


def deployment_info(*, promoted: bool) -> DeploymentInfo:
    source = Source(uri="photos", dvc=None, git_revision=None)
    lineage = Lineage(mlflow_run_id="a" * 32, dataset_fingerprint="f", source=source, export_sha256="e")
    return DeploymentInfo(
        tag="colors:1",
        model_name="colors",
        class_names=("a", "b"),
        image_size=(8, 8),
        lineage=lineage,
        check=ServiceCheck(num_photos=1, max_probability_difference=0.0, latency_p50_ms=1.0, ready_seconds=1.0),
        registered_version="1",
        promoted=promoted,
        promotion_reason="It is worse.",
    )


@pytest.mark.parametrize(
    ("failure", "timeout_seconds", "message"),
    [
        ("Init:CrashLoopBackOff", 10, "did not become ready, and Kubernetes gave up: Init:CrashLoopBackOff"),
        ("slow", 0.1, "were not ready within 0.1 s"),
    ],
)
def test_a_rollout_that_never_becomes_ready_is_rolled_back(
    failure: str, timeout_seconds: float, message: str, api: Api
) -> None:
    stand_in = api(str(OLD))
    stand_in.failures[str(NEW)] = failure
    with pytest.raises(RolloutError) as error:
        roll(stand_in, timeout_seconds=timeout_seconds)
    assert message in str(error.value)
    assert f"serves {OLD} again" in str(error.value)
    assert stand_in.patches == [str(NEW), str(OLD)]


def test_a_service_with_wrong_answers_is_rolled_back(api: Api) -> None:
    stand_in = api(str(OLD))

    def wrong() -> None:
        raise ServiceError("The service and evaluation disagree about a.png.")

    with pytest.raises(RolloutError, match=f"disagree about a.png. darkroom/darkroom-serve serves {OLD} again"):
        roll(stand_in, wrong)
    assert stand_in.patches == [str(NEW), str(OLD)]


def test_the_first_rollout_has_nothing_to_roll_back_to(api: Api) -> None:
    stand_in = api(None)
    stand_in.failures[str(NEW)] = "no image"
    with pytest.raises(RolloutError, match="served no bento before"):
        roll(stand_in)


def test_a_missing_permission_is_reported_with_the_manifest_that_grants_it(api: Api) -> None:
    stand_in = api(str(OLD))
    stand_in.is_forbidden = True
    with pytest.raises(RolloutError, match=r"403 Forbidden. See k8s/base/rollout\.yaml"):
        roll(stand_in)


def test_the_patch_names_the_init_container_of_the_manifest() -> None:
    from ruamel.yaml import YAML

    manifests = list(YAML(typ="safe").load_all((Path(__file__).parents[4] / "k8s/base/serve.yaml").read_text()))
    (deployment,) = [manifest for manifest in manifests if manifest["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["initContainers"]
    (container_patch,) = make_patch(str(NEW))["spec"]["template"]["spec"]["initContainers"]
    assert container["name"] == container_patch["name"]
    assert container["command"][:3] == ["python3", "-m", "components.deploy.release.download"]
    assert find_bento(deployment) is None


@pytest.mark.parametrize("key", [None, "k" * 48])
def test_the_new_service_is_tested_with_its_key(key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DARKROOM_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("DARKROOM_API_KEY", key)
    client = rollout.connect_service("darkroom", "darkroom-serve-canary")
    assert client.url == "http://darkroom-serve-canary.darkroom.svc.cluster.local"
    assert client._api_key == key


def test_outside_a_cluster_the_missing_service_account_token_is_reported() -> None:
    with pytest.raises(RolloutError, match=r"the token of the service account darkroom-rollout.*Apply k8s/pipelines"):
        Cluster.from_pod()
