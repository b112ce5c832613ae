"""One cluster for all checks: the state that a check needs is created once, and reused by later runs.

Each check can run alone and creates the stages that it needs: images → installed → data → whole run → served.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pipelines.runners.cluster.placement import STEP_LABEL, USER_ID
from tests.cluster.support import guide, images
from tests.cluster.support import kubectl as cluster
from tests.cluster.support.images import PROOF
from tests.cluster.support.kubectl import DARKROOM, KUBEFLOW, await_rollout, kubectl
from tests.cluster.support.pipeline_run import FILES_POD, Run
from tests.cluster.support.requests import PHOTO
from tests.cluster.support.task_pods import ACCOUNT, ARTIFACTS_CLAIM, ARTIFACTS_DIR, CONFINED
from tests.support.artifacts import make_photos
from tests.support.source_tree import ROOT

WEIGHTS = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
PHOTOS_DIR = "/darkroom"
"""The folder on the node that k8s/photos.yaml names."""
LAYERS = '["MaxPooling2D", {"Conv2D": {"filters": 8, "kernel_size": 3}}, "GlobalAveragePooling2D"]'
SMALL = ("--set", "train.model={kind: layers, layers: " + LAYERS + "}")
"""A small network, so that an epoch is short."""
MARKS = (pytest.mark.cluster, pytest.mark.proof)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Adds the markers in MARKS to all tests in this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for mark in MARKS:
                item.add_marker(mark)


@pytest.fixture(scope="session")
def cluster_name() -> str:
    """The current context of KUBECONFIG; skips the test if KUBECONFIG is not set or kubectl is missing."""
    if "KUBECONFIG" not in os.environ:
        pytest.skip("no cluster: set KUBECONFIG to the configuration of a throwaway cluster, such as kind's")
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on PATH")
    kubectl("get", "--raw", "/readyz")
    return kubectl("config", "current-context").strip()


@pytest.fixture(scope="session")
def loaded_images(cluster_name: str) -> None:
    """Loads the images of this source tree into the cluster."""
    _make_namespaces()
    images.load_images()


def _make_namespaces() -> None:
    """Creates KFP's namespace and account, as KFP would, and the proof's namespace, with restricted Pod Security."""
    for name in (KUBEFLOW, PROOF):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": KUBEFLOW}}
    cluster.apply(account)


@pytest.fixture(scope="session")
def installed(loaded_images: None) -> None:
    """Applies all manifests of the guide and waits until everything is ready."""
    guide.run(5)
    guide.run(6)
    await_rollout("statefulset/postgres", "statefulset/s3", "deployment/mlflow")
    cluster.wait_until(_has_bucket, "the Job make-bucket", 180)


def _has_bucket() -> bool:
    """Whether the Job has succeeded; a missing Job counts as successful: Kubernetes deletes it after ten minutes."""
    jobs = cluster.get(DARKROOM, "jobs", "--field-selector=metadata.name=make-bucket")["items"]
    return all(job["status"].get("succeeded") for job in jobs)


@pytest.fixture(scope="session")
def data(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on this machine with the same photos and weights as /data in the tasks."""
    folder = tmp_path_factory.mktemp("data")
    make_photos(folder / "photos", per_class=30, size=(240, 240), suffix=".jpg")
    (folder / "weights").mkdir()
    shutil.copyfile(_find_weights(), folder / "weights" / WEIGHTS)
    _claim(ARTIFACTS_CLAIM)
    # With the label of the deploy task, this pod may send requests to the service, as deploy does.
    volume = {"persistentVolumeClaim": {"claimName": ARTIFACTS_CLAIM}}
    _keep_pod(KUBEFLOW, FILES_POD, volume, ARTIFACTS_DIR, labels={STEP_LABEL: "deploy"})
    photo = base64.b64encode((folder / "photos" / "red" / "000.jpg").read_bytes()).decode()
    cluster.run_in(KUBEFLOW, FILES_POD, "sh", "-c", f"base64 -d > {PHOTO}", stdin=photo)
    _fill_node(folder)
    return folder


def _find_weights() -> Path:
    """Returns the path of MobileNetV2's ImageNet weights, in the shared folder or in Keras' cache."""
    path = Path(os.environ.get("DARKROOM_SHARED", ROOT.parent / "shared")) / "weights" / WEIGHTS
    keras_path = Path.home() / ".keras" / "models" / WEIGHTS
    for candidate in (path, keras_path):
        if candidate.is_file():
            return candidate
    pytest.skip(f"the weights {WEIGHTS} are neither in {path.parent} (DARKROOM_SHARED) nor in {keras_path.parent}")


def _claim(name: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}
    metadata = {"name": name, "namespace": KUBEFLOW}
    cluster.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})


def _fill_node(folder: Path) -> None:
    """Copies the photos and weights to the folder on the node in which the guide's kind cluster mounts them."""
    namespace = "darkroom-proof-node"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    _keep_pod(namespace, "node", {"hostPath": {"path": PHOTOS_DIR, "type": "DirectoryOrCreate"}}, PHOTOS_DIR, user=0)
    archive = folder / "data.tar"
    with tarfile.open(archive, "w") as tar:
        for name in ("photos", "weights"):
            tar.add(folder / name, name)
    unpack = (
        "import shutil, sys, tarfile\n"
        f"for name in ('photos', 'weights'): shutil.rmtree('{PHOTOS_DIR}/' + name, ignore_errors=True)\n"
        f"tarfile.open(fileobj=sys.stdin.buffer, mode='r|').extractall('{PHOTOS_DIR}')\n"
    )
    command = ["kubectl", "-n", namespace, "exec", "-i", "node", "--", "python3", "-c", unpack]
    with archive.open("rb") as file:
        result = subprocess.run(command, stdin=file, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    archive.unlink()


def _keep_pod(
    namespace: str,
    name: str,
    volume: dict[str, object],
    path: str,
    *,
    user: int = USER_ID,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Starts an idle pod that mounts a volume."""
    if not cluster.exists(namespace, "pod", name):
        cluster.wait_until(lambda: cluster.exists(namespace, "serviceaccount", "default"), "the service account", 60)
    container = {
        "name": "main",
        "image": images.image_name("preprocess"),
        "command": ["sleep", "infinity"],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "securityContext": CONFINED | {"runAsUser": user, "runAsGroup": user, "runAsNonRoot": user != 0},
        "volumeMounts": [{"name": "files", "mountPath": path}],
    }
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "files"} | volume],
    }
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    kubectl("-n", namespace, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled pipeline that command 8 of the guide submits, but with only two epochs."""
    output = tmp_path_factory.mktemp("pipeline") / "pipeline.yaml"
    return guide.compile_pipeline(output, WEIGHTS, "--set", "train.epochs=2", "--memory", "4Gi")


@pytest.fixture
def bare_run(data: Path, pipeline: Path) -> Run:
    """A run that has not started any task yet."""
    return Run(pipeline)


@pytest.fixture(scope="session")
def stranger(loaded_images: None) -> str:
    """A pod in a namespace to which no network policy gives access."""
    _keep_pod(PROOF, "stranger", {"emptyDir": {}}, "/scratch")
    return "stranger"


@pytest.fixture(scope="session")
def whole_run(data: Path, pipeline: Path) -> Run:
    """A successful run of all tasks; an earlier run with the same pipeline and images is reused if the service runs."""
    if (earlier_run := _find_run(pipeline)) is not None:
        return earlier_run
    run = Run(pipeline)
    run.run_all()
    _keep_run(run)
    return run


def _find_run(pipeline: Path) -> Run | None:
    if not cluster.exists(PROOF, "configmap", "whole-run"):
        return None
    record = cluster.get(PROOF, "configmap", "whole-run")["data"]
    if record["pipeline"] != _digest(pipeline) or not is_serving():
        return None
    return Run(
        pipeline,
        record["id"],
        artifacts={tuple(key.split("/")): uri for key, uri in json.loads(record["artifacts"]).items()},
    )


def _keep_run(run: Run) -> None:
    artifacts = json.dumps({"/".join(key): uri for key, uri in run.artifacts.items()})
    record = {"id": run.id, "pipeline": _digest(run.path), "artifacts": artifacts}
    metadata = {"name": "whole-run", "namespace": PROOF}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": record})


def _digest(pipeline: Path) -> str:
    """Returns the digest of the pipeline and of the images that it runs in."""
    return hashlib.sha256(pipeline.read_bytes() + json.dumps(images.loaded_images()).encode()).hexdigest()


def is_serving() -> bool:
    """Whether the service has a ready pod."""
    return ready_replicas() > 0


def ready_replicas() -> int:
    """Returns the number of ready pods of the service."""
    return int(cluster.get(DARKROOM, "deployment", "darkroom-serve")["status"].get("readyReplicas", 0))


def compile_small(output: Path, *options: str) -> Path:
    """Compiles the pipeline that command 8 of the guide submits, but with a small network."""
    return guide.compile_pipeline(output, WEIGHTS, *SMALL, *options)


@pytest.fixture
def small_training(whole_run: Run, tmp_path: Path) -> Run:
    """A run with the small network; it reuses the data set of the whole run."""
    pipeline = compile_small(tmp_path / "small.yaml", "--set", "train.epochs=3", "--memory", "3Gi")
    return Run(pipeline, artifacts=dict(whole_run.artifacts))


@pytest.fixture
def served(whole_run: Run) -> Iterator[Run]:
    """The run whose bento is served; the service must be ready before and after the test."""
    await_rollout("deployment/darkroom-serve")
    yield whole_run
    await_rollout("deployment/darkroom-serve")
