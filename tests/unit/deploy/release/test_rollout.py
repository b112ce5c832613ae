"""A bento reaches the cluster as it was packed, and a rollout that fails is taken back."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from components.contract.errors import ArtifactError, ServiceError, TrackingError
from components.deploy.release import rollout
from components.deploy.release.package import Reference, fetch, pack, publish, read_reference, sha256_of
from components.deploy.release.rollout import Cluster, RolloutError, find_bento, make_patch, roll_out
from tests.support.json_response import send_json

OLD, NEW = (Reference(letter * 32, letter * 64) for letter in "ab")


class StandIn:
    """A stand-in for the Kubernetes API, because no cluster can run here: one Deployment over real HTTP.

    It merges the one patch that a rollout sends as Kubernetes does, and its pods become ready unless the bento that
    they are to serve is in `failures`.
    """

    def __init__(self, serves: str | None):
        env = [{"name": "OTHER", "value": "kept"}, *([{"name": "DARKROOM_BENTO", "value": serves}] if serves else [])]
        self.env = {variable["name"]: variable["value"] for variable in env}
        self.failures: dict[str, str] = {}
        self.generation = 1
        self.is_forbidden = False
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


def roll(stand_in: StandIn, check: Callable[[], None] = lambda: None, timeout_seconds: float = 10) -> None:
    roll_out(Cluster(stand_in.url, "token", None), "darkroom", "darkroom-serve", NEW, check, timeout_seconds)


@pytest.mark.parametrize("before", [None, str(OLD)], ids=["the first", "after another"])
def test_a_rollout_names_the_bento_and_changes_nothing_else(before: str | None, api: Api) -> None:
    stand_in = api(before)
    roll(stand_in)
    assert stand_in.env == {"OTHER": "kept", "DARKROOM_BENTO": str(NEW)}
    assert find_bento(stand_in.deployment()) == str(NEW)


def test_what_serves_already_is_left_alone(api: Api) -> None:
    stand_in = api(str(NEW))
    roll(stand_in)
    assert stand_in.patches == []


@pytest.mark.parametrize(
    ("failure", "timeout_seconds", "message"),
    [
        ("Init:CrashLoopBackOff", 10, "Kubernetes gave up: Init:CrashLoopBackOff"),
        ("slow", 0.1, "must become ready within 0.1 s"),
    ],
)
def test_a_rollout_that_never_gets_ready_is_taken_back(
    failure: str, timeout_seconds: float, message: str, api: Api
) -> None:
    stand_in = api(str(OLD))
    stand_in.failures[str(NEW)] = failure
    with pytest.raises(RolloutError) as error:
        roll(stand_in, timeout_seconds=timeout_seconds)
    assert message in str(error.value)
    assert f"serves {OLD} again" in str(error.value)
    assert stand_in.patches == [str(NEW), str(OLD)]


def test_a_service_that_answers_wrongly_is_taken_back(api: Api) -> None:
    stand_in = api(str(OLD))

    def wrong() -> None:
        raise ServiceError("The service must say of a.png what evaluation said.")

    with pytest.raises(RolloutError, match=f"what evaluation said. darkroom/darkroom-serve serves {OLD} again"):
        roll(stand_in, wrong)
    assert stand_in.patches == [str(NEW), str(OLD)]


def test_the_first_rollout_has_nothing_to_go_back_to(api: Api) -> None:
    stand_in = api(None)
    stand_in.failures[str(NEW)] = "no image"
    with pytest.raises(RolloutError, match="served no bento before"):
        roll(stand_in)


def test_a_task_without_the_right_names_the_role(api: Api) -> None:
    stand_in = api(str(OLD))
    stand_in.is_forbidden = True
    with pytest.raises(RolloutError, match=r"403 Forbidden. See k8s/base/rollout\.yaml"):
        roll(stand_in)


def test_the_patch_reaches_the_init_container_of_the_manifest() -> None:
    from ruamel.yaml import YAML

    manifests = list(YAML(typ="safe").load_all((Path(__file__).parents[4] / "k8s/base/serve.yaml").read_text()))
    (deployment,) = [manifest for manifest in manifests if manifest["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["initContainers"]
    (container_patch,) = make_patch(str(NEW))["spec"]["template"]["spec"]["initContainers"]
    assert container["name"] == container_patch["name"]
    assert container["command"][:3] == ["python3", "-m", "components.deploy.release.download"]
    assert find_bento(deployment) is None


def test_outside_of_a_cluster_there_is_no_api() -> None:
    with pytest.raises(RolloutError, match="must run in a pod with a service account"):
        Cluster.from_pod()


@pytest.fixture
def bento(tmp_path: Path) -> Path:
    (tmp_path / "bento" / "src" / "export").mkdir(parents=True)
    (tmp_path / "bento" / "bento.yaml").write_text("name: colours\n")
    (tmp_path / "bento" / "src" / "export" / "model.bin").write_bytes(bytes(range(256)) * 40)
    return tmp_path


@pytest.fixture
def run_id(mlflow_store: str) -> str:
    client = MlflowClient()
    experiment = client.create_experiment("ship", (Path(mlflow_store.removeprefix("sqlite:///")).parent / "a").as_uri())
    return str(client.create_run(experiment).info.run_id)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_fetched_is_what_was_published(bento: Path, run_id: str, tmp_path: Path) -> None:
    reference = publish(run_id, bento)
    fetch(Reference.parse(str(reference)), tmp_path / "pod" / "bento")
    assert content(tmp_path / "pod" / "bento") == content(bento / "bento")


def test_equal_bentos_have_equal_digests(bento: Path, tmp_path: Path) -> None:
    for name in ("one.tar", "two.tar"):
        pack(bento / "bento", tmp_path / name)
        (bento / "bento" / "bento.yaml").touch()
    assert sha256_of(tmp_path / "one.tar") == sha256_of(tmp_path / "two.tar")


def test_a_bento_that_was_changed_is_refused(bento: Path, run_id: str, tmp_path: Path) -> None:
    reference = publish(run_id, bento)
    (bento / "bento" / "bento.yaml").write_text("name: other\n")
    publish(run_id, bento)
    with pytest.raises(ArtifactError, match="it was changed after its rollout"):
        fetch(reference, tmp_path / "pod")
    assert not (tmp_path / "pod").exists()


def test_a_bento_that_is_not_there_is_named(run_id: str, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=f"MLflow must give the bento {run_id}@sha256"):
        fetch(Reference(run_id, "0" * 64), tmp_path / "pod")


@pytest.mark.parametrize("text", ["", "latest", "a" * 32, f"{'a' * 32}@sha256:short"])
def test_a_pod_without_a_bento_says_so(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_BENTO", text)
    with pytest.raises(ArtifactError, match="must be named <run id>@sha256:<digest>"):
        read_reference()
