"""A bundle becomes a bento, and the bento answers over HTTP: the real deploy step and a real BentoML server."""

import contextlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.contract.artifacts.bento import read_deployment
from components.contract.artifacts.evaluation import CHAMPION
from components.contract.errors import ArtifactError, ServiceError
from components.contract.system.program import exit_code
from components.deploy.bento.server import free_address, serving
from components.deploy.client import ServiceClient, encode_form, predict
from components.deploy.parity import TOLERANCE, golden_photos, read_expected
from components.deploy.predict import predict_files
from components.deploy.service.protocol import Failure, Prediction
from tests.cases.bad_photos import BAD_PHOTOS, needs_heic
from tests.e2e.service.conftest import PARAMS, Deployed
from tests.support.artifacts import CLASS_NAMES, make_bundle, make_dataset, make_evaluation

ROOT = Path(__file__).parents[3]
TRAINING_CODE = ("tensorflow", "keras", "mlflow", "pandas", "sklearn", "kfp", "dvc")


def photos(deployed: Deployed, number: int) -> list[bytes]:
    return [path.read_bytes() for path in golden_photos(deployed.dataset_dir)[:number]]


def request(url: str, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    """Status and answer, parsed where it is JSON."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        content = response.read()
        kind = response.headers.get("content-type", "")
        return response.status, json.loads(content) if kind.startswith("application/json") else content.decode()


def post(url: str, files: list[bytes], path: str = "/predict") -> tuple[int, Any]:
    content_type, body = encode_form(files)
    return request(url, "POST", path, body, Content_Type=content_type)


# --- the step --------------------------------------------------------------------------------------------------------


def test_deploying_writes_a_bento_that_answered_as_evaluation_did(deployed: Deployed) -> None:
    info = read_deployment(deployed.bento_dir)
    assert info == deployed.info
    assert info.tag.startswith("colours:")
    assert info.check.num_photos == len(golden_photos(deployed.dataset_dir)) == 36
    assert info.check.max_probability_difference <= TOLERANCE
    assert 0 < info.check.latency_p50_ms < 1000
    assert info.lineage.dataset_fingerprint == deployed.dataset.fingerprint


def test_deploying_registers_the_model_and_names_the_bento_in_its_run(deployed: Deployed) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(deployed.mlflow_uri)
    champion = client.get_model_version_by_alias("colours", CHAMPION)
    assert (deployed.info.promoted, deployed.info.registered_version) == (True, str(champion.version))
    run = client.get_run(deployed.info.lineage.mlflow_run_id)
    assert run.data.tags["darkroom.bento"] == deployed.info.tag
    assert run.data.metrics["deploy/latency_p50_ms"] == deployed.info.check.latency_p50_ms


def test_a_service_that_answers_otherwise_than_evaluation_is_no_bento(deployed: Deployed, tmp_path: Path) -> None:
    shutil.copytree(deployed.evaluation_dir, tmp_path / "evaluation")
    path = tmp_path / "evaluation" / "predictions.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    odd = next(row for row in rows if row["split"] == "test")
    odd["probabilities"] = [share + shift for share, shift in zip(odd["probabilities"], (3e-4, 0, 0), strict=True)]
    pq.write_table(table.from_pylist(rows, schema=table.schema), path)
    with pytest.raises(ServiceError, match=odd["image_id"]):
        deployed.redeploy(tmp_path, evaluation_dir=tmp_path / "evaluation")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["evaluation"], "no bento, and nothing half made"


@pytest.mark.parametrize(
    ("wrong", "told"), [("dataset_dir", "trained on"), ("evaluation_dir", "scored the graph"), ("bundle_dir", "must")]
)
def test_folders_of_different_runs_are_refused(deployed: Deployed, tmp_path: Path, wrong: str, told: str) -> None:
    other = make_dataset(tmp_path / "dataset_dir", seed=1 if wrong != "evaluation_dir" else 0)
    make_bundle(tmp_path / "bundle_dir", other, scale=0.003)
    make_evaluation(tmp_path / "evaluation_dir", tmp_path / "dataset_dir", tmp_path / "bundle_dir")
    with pytest.raises(ArtifactError, match=told):
        deployed.redeploy(tmp_path, **{wrong: tmp_path / wrong})
    assert not (tmp_path / "bento").exists()


def test_the_program_deploys_the_same_again_as_the_same_bento_and_version(deployed: Deployed, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {uri: photos}\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "components.deploy",
            "--params",
            "params.yaml",
            "--dataset",
            deployed.dataset_dir,
            "--model",
            deployed.bundle_dir,
            "--evaluation",
            deployed.evaluation_dir,
            "--output",
            "artifacts/bento",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"MLFLOW_TRACKING_URI": deployed.mlflow_uri},
    )
    assert done.returncode == 0, done.stderr
    info = read_deployment(tmp_path / "artifacts" / "bento")
    assert info.model_name == "colours", "auto is the name of the data"
    assert info.tag == deployed.info.tag
    assert info.registered_version == deployed.info.registered_version
    assert "It answered them all as evaluation did" in done.stdout


# --- the service -----------------------------------------------------------------------------------------------------


def test_one_photo_gets_its_label_and_all_probabilities_sorted(deployed: Deployed, url: str) -> None:
    for path in golden_photos(deployed.dataset_dir)[::5]:
        status, answer = post(url, [path.read_bytes()])
        expected = read_expected(deployed.evaluation_dir)[path.stem]
        assert status == 200
        assert answer["model"] == deployed.info.tag
        (prediction,) = answer["predictions"]
        assert prediction["label"] == CLASS_NAMES[expected.label]
        shares = [entry["probability"] for entry in prediction["probabilities"]]
        assert shares == sorted(shares, reverse=True)
        assert prediction["confidence"] == shares[0]
        assert {entry["label"] for entry in prediction["probabilities"]} == set(CLASS_NAMES)
        assert sum(shares) == pytest.approx(1, abs=1e-5)


def test_good_and_broken_photos_are_answered_each_at_its_place(deployed: Deployed, url: str) -> None:
    good = photos(deployed, 2)
    jpeg = b"\xff\xd8\xff\xe0" + bytes(200)
    status, answer = post(url, [good[0], b"", b"no photo", good[1], jpeg, good[0][:-30]])
    assert status == 200
    kinds = ["label" if "label" in entry else entry["error"]["code"] for entry in answer["predictions"]]
    assert kinds[:4] == ["label", "empty", "not_an_image", "label"]
    assert set(kinds[4:]) <= {"corrupt", "truncated", "not_an_image"}
    alone = [post(url, [photo])[1]["predictions"][0] for photo in good]
    for found, expected in zip((answer["predictions"][0], answer["predictions"][3]), alone, strict=True):
        assert {**found, "id": None} == {**expected, "id": None}, "batch-mates are unharmed"


def test_broken_photos_alone_are_a_bad_request_with_each_reason(url: str) -> None:
    status, answer = post(url, [b"", b"no photo"])
    assert status == 400
    assert answer["error"]["code"] == "no_photo"
    assert [entry["error"]["code"] for entry in answer["predictions"]] == ["empty", "not_an_image"]


SAMPLED = 12
"""Of the bad photos, whose whole table is a proof here; without a server it is tried with each test run."""


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.proof), len(BAD_PHOTOS) // SAMPLED])
def test_each_bad_photo_gets_the_verdict_that_a_scan_gives(url: str, step: int) -> None:
    names = [name for name in list(BAD_PHOTOS)[::step] if not needs_heic(name)]
    for start in range(0, len(names), 16):
        asked = names[start : start + 16]
        started = time.monotonic()
        _, answer = post(url, [BAD_PHOTOS[name].make() for name in asked])
        assert time.monotonic() - started < 2 * len(asked)
        verdicts = [entry["error"]["code"] if "error" in entry else None for entry in answer["predictions"]]
        assert dict(zip(asked, verdicts, strict=True)) == {name: BAD_PHOTOS[name].verdict for name in asked}


@pytest.mark.parametrize(
    ("field", "value", "status", "told"),
    [
        ("image", None, 400, ("'files'", "'image'")),
        ("files", b"https://example.org/cat.jpg", 400, ("'files'", "text")),
        (None, b"{}", 415, ("'files'", "application/json")),
        (None, b"", 400, ("'files'", "multipart/form-data", "no body")),
    ],
)
def test_a_request_without_files_is_told_what_was_expected(
    deployed: Deployed, url: str, field: str | None, value: bytes | None, status: int, told: tuple[str, ...]
) -> None:
    content_type, body = encode_form([value or photos(deployed, 1)[0]])
    body = body.replace(b'name="files"', f'name="{field}"'.encode())
    if value is not None:
        body = body.replace(b'; filename="0"', b"")
    if field is None:
        content_type, body = "application/json" if value else "", value or b""
    found, answer = request(url, "POST", "/predict", body, Content_Type=content_type)
    assert found == status
    assert all(text in answer["error"]["message"] for text in told)


def test_a_body_that_is_too_large_is_refused_without_being_sent(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=cut\r\n"
            b"Content-Length: 1000000000\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_more_files_than_one_request_may_hold_are_refused(deployed: Deployed, url: str) -> None:
    with pytest.raises(ServiceError, match="at most 64 files"):
        predict(url, photos(deployed, 1) * 65)
    assert len(predict(url, photos(deployed, 1) * 64)) == 64


def test_many_clients_at_once_get_each_its_own_answer(deployed: Deployed, url: str) -> None:
    with ServiceClient(url) as client:
        alone = {photo: client.predict([photo])[0] for photo in photos(deployed, 12)}

    def ask(photo: bytes) -> list[Prediction | Failure]:
        return predict(url, [photo, b"broken", photo])

    asked = list(alone) * 5
    with ThreadPoolExecutor(16) as clients:
        for photo, (first, broken, last) in zip(asked, clients.map(ask, asked), strict=True):
            assert isinstance(broken, Failure)
            for found in (first, last):
                expected = alone[photo]
                assert isinstance(found, Prediction)
                assert isinstance(expected, Prediction)
                assert found.label == expected.label
                assert found.confidence == pytest.approx(expected.confidence, abs=1e-6)


def test_a_raw_photo_is_answered_as_one_in_a_form(deployed: Deployed, url: str) -> None:
    (photo,) = photos(deployed, 1)
    status, raw = request(url, "POST", "/v1/predict", photo, Content_Type="image/png")
    assert status == 200
    assert {**raw["predictions"][0], "id": None} == {**post(url, [photo])[1]["predictions"][0], "id": None}


def test_options_shorten_the_answer_and_move_the_threshold(deployed: Deployed, url: str) -> None:
    (photo,) = photos(deployed, 1)
    (plain,) = post(url, [photo])[1]["predictions"]
    (short,) = post(url, [photo], "/predict?top_k=1&threshold=1")[1]["predictions"]
    assert short["probabilities"] == plain["probabilities"][:1]
    assert (plain["abstained"], short["abstained"]) == (False, True)
    assert short["label"] == plain["label"], "a withheld answer is still told, as a guess"
    assert not post(url, [photo], "/predict?threshold=0")[1]["predictions"][0]["abstained"]
    status, refused = post(url, [photo], "/predict?top_k=none")
    assert (status, refused["error"]["code"]) == (400, "bad_option")


def test_confidence_is_calibrated_and_a_strange_photo_is_called_unfamiliar(deployed: Deployed, url: str) -> None:
    strange = np.zeros((16, 16, 3), np.uint8)
    strange[..., 0] = strange[..., 2] = 255  # a colour between two classes
    file = io.BytesIO()
    Image.fromarray(strange).save(file, "PNG")
    good, odd = post(url, [*photos(deployed, 1), file.getvalue()])[1]["predictions"]
    assert 0 <= good["unfamiliar"] <= 1 < odd["unfamiliar"]
    card = request(url, "GET", "/model")[1]
    assert (card["calibrated"], card["temperature"], card["abstention"]["threshold"]) == (True, 2.0, 0.6)
    assert card["test"]["accuracy"]["value"] == 1
    assert card["explanation"] == "class activation map"


def test_an_explanation_is_a_picture_with_its_method(deployed: Deployed, url: str) -> None:
    (photo,) = photos(deployed, 1)
    status, found = post(url, [photo], "/explain?class_name=red")
    assert (status, found["label"], found["method"]) == (200, "red", "class activation map")
    assert found["overlay"].startswith("data:image/png;base64,")
    for files, path, code in (
        ([photo] * 2, "/explain", "one_photo"),
        ([photo], "/explain?class_name=cat", "bad_option"),
        ([b"no photo"], "/explain", "not_an_image"),
        ([], "/explain", "no_files"),
    ):
        status, refused = post(url, files, path)
        assert (status, refused["error"]["code"]) == (400, code)


def test_the_page_offers_photos_to_try_and_nothing_else_of_the_disk(deployed: Deployed, url: str) -> None:
    status, samples = request(url, "GET", "/samples.json")
    assert {sample["class_name"] for sample in samples} == set(CLASS_NAMES)
    assert len(samples) == PARAMS.page_photos
    for path in ("/samples/service.json", "/samples/..%2fservice.json", "/page/../service.py", "/samples/", "/nothing"):
        status, answer = request(url, "GET", path)
        assert (status, answer["error"]["code"]) == (404, "not_found")


def test_metrics_count_what_was_answered_and_grow_with_no_address(deployed: Deployed, url: str) -> None:
    def count(name: str) -> float:
        lines = request(url, "GET", "/metrics")[1].splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    names = (
        "darkroom_predictions_total{",
        "darkroom_confidence_count",
        "darkroom_broken_photos_total{",
        'darkroom_requests_total{path="other"',
        "darkroom_batch_size_count",
        "darkroom_abstentions_total",
    )
    before = {name: count(name) for name in names}
    post(url, [*photos(deployed, 3), b"broken"], "/predict?threshold=1")
    for number in range(20):
        request(url, "GET", f"/never/heard/of/{number}")
    grown = [count(name) - before[name] for name in names]
    assert grown[:4] == [3, 3, 1, 20]
    assert grown[4] >= 1
    assert grown[5] == 3
    assert "/never" not in request(url, "GET", "/metrics")[1]


def test_the_model_is_told_with_its_lineage(deployed: Deployed, url: str) -> None:
    status, facts = request(url, "GET", "/model")
    assert status == 200
    assert facts["tag"] == deployed.info.tag
    assert facts["class_names"] == list(CLASS_NAMES)
    assert facts["lineage"] == deployed.info.lineage.model_dump(mode="json")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/docs", "/", "/static_content/swagger-ui.css"])
def test_the_service_is_operable(url: str, path: str) -> None:
    status, content = request(url, "GET", path)
    assert status == 200
    if path in ("/docs", "/"):
        assert "http" not in content, "nothing is loaded from elsewhere"


def test_the_openapi_document_describes_what_is_answered(deployed: Deployed, url: str) -> None:
    status, document = request(url, "GET", "/docs.json")
    assert status == 200
    form = document["paths"]["/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["files"]["items"] == {"type": "string", "format": "binary"}
    assert form["required"] == ["files"]

    assert document["info"]["version"] == "1.0"
    schemas = document["components"]["schemas"]
    for content in examples(document):
        assert_matches(content["example"], content["schema"], schemas)
    responses = document["paths"]["/predict"]["post"]["responses"]
    good, broken = photos(deployed, 1)[0], b"broken"
    for files in ([good], [good, broken], [broken], []):
        status, answer = post(url, files)
        schema = responses[str(status)]["content"]["application/json"]["schema"]
        assert_matches(answer, schema, schemas)
    status, facts = request(url, "GET", "/model")
    assert_matches(facts, {"$ref": "#/components/schemas/ModelCard"}, schemas)
    status, explained = post(url, [good], "/explain")
    assert_matches(explained, {"$ref": "#/components/schemas/Explanation"}, schemas)


def examples(tree: Any) -> Iterator[dict[str, Any]]:
    """Everything in a document that has an example beside its schema."""
    if isinstance(tree, dict):
        if "example" in tree and "schema" in tree:
            yield tree
        for value in tree.values():
            yield from examples(value)


def assert_matches(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    import jsonschema

    jsonschema.validate(value, schema | {"components": {"schemas": schemas}}, cls=jsonschema.Draft202012Validator)


def test_bentomls_own_client_can_ask(deployed: Deployed, url: str) -> None:
    program = (
        "import sys, bentoml; from pathlib import Path\n"
        "with bentoml.SyncHTTPClient(sys.argv[1]) as client:\n"
        "    print(client.predict(files=[Path(sys.argv[2])])['predictions'][0]['label'])"
    )
    path = golden_photos(deployed.dataset_dir)[0]
    done = subprocess.run([sys.executable, "-c", program, url, path], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] in CLASS_NAMES


def test_predicting_without_a_server_gives_what_the_service_gives(deployed: Deployed, url: str) -> None:
    rows = list(predict_files(deployed.bento_dir, [deployed.dataset_dir / "golden"]))
    assert len(rows) == 36
    for row, (answer,) in zip(rows[:8], (predict(url, [Path(row["path"]).read_bytes()]) for row in rows), strict=False):
        assert isinstance(answer, Prediction)
        assert row["label"] == answer.label
        shares = {entry.label: entry.probability for entry in answer.probabilities}
        assert row["probabilities"] == pytest.approx(shares, abs=1e-6)


def test_the_serving_process_holds_no_training_code(deployed: Deployed, tmp_path: Path) -> None:
    """Runs what a worker runs, out of the bento alone: this project's own folder is not to be found."""
    program = """
import sys
from pathlib import Path
src, root = sys.argv[1:]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__ + str(finder)]
sys.path[:] = [src, *(path for path in sys.path if Path(path).resolve() != Path(root))]
from components.deploy.service.app import PhotoClassifier
import components
assert Path(components.__file__).is_relative_to(src), components.__file__
PhotoClassifier.to_asgi()
PhotoClassifier.inner()
print(*sys.modules)
"""
    src = deployed.bento_dir / "bento" / "src"
    done = subprocess.run(
        [sys.executable, "-c", program, src, ROOT], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "openvino" in loaded
    assert not loaded & set(TRAINING_CODE)


# --- starting and stopping -------------------------------------------------------------------------------------------


def processes_serving(bento_dir: Path) -> list[psutil.Process]:
    """All processes that have to do with this bento, however they were started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(bento_dir.resolve()) in " ".join(process.cmdline()) and process.pid != os.getpid():
                found.append(process)
    return found


def await_gone(bento_dir: Path, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while processes_serving(bento_dir) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not processes_serving(bento_dir)


@pytest.fixture
def own_bento(deployed: Deployed, tmp_path: Path) -> Path:
    """A bento folder at a path of its own, so that its processes can be told from others."""
    shutil.copytree(deployed.bento_dir, tmp_path / "bento folder")
    return tmp_path / "bento folder"


def test_a_taken_port_is_told_with_what_to_do(deployed: Deployed) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ServiceError, match=rf"Port {port} on 127\.0\.0\.1 must be free.*--port"),
            serving(deployed.bento_dir, port=port),
        ):
            pass


@pytest.mark.parametrize("host", ["no such host", "203.0.113.7", "-1"])
def test_an_address_of_another_machine_is_told(deployed: Deployed, host: str) -> None:
    with pytest.raises(ServiceError, match=host), serving(deployed.bento_dir, host=host):
        pass


def test_a_folder_without_a_bento_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="Run deploy"), serving(tmp_path):
        pass


def test_a_service_that_cannot_start_says_why_and_is_gone(own_bento: Path) -> None:
    (own_bento / "bento" / "src" / "export" / "model.xml").write_text("<net>")
    started = time.monotonic()
    with (
        pytest.raises(ServiceError, match=r"(?s)must start; it failed.*An exported graph must stand"),
        serving(own_bento),
    ):
        pass
    assert time.monotonic() - started < 60, "it does not wait for the whole of the time that a start may take"
    await_gone(own_bento)


def test_a_service_that_is_too_slow_is_told_and_gone(own_bento: Path) -> None:
    with (
        pytest.raises(ServiceError, match=r"ready within 0\.2 s.*deploy\.start_timeout_seconds"),
        serving(own_bento, timeout_seconds=0.2),
    ):
        pass
    await_gone(own_bento)


SERVE = (
    "import sys; from pathlib import Path; from components.deploy.bento.server import serve; "
    "sys.exit(serve(Path(sys.argv[1]), '127.0.0.1', int(sys.argv[2])))"
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_the_service_ends_with_whoever_serves_it_and_answers_what_it_has_begun(
    deployed: Deployed, own_bento: Path, number: signal.Signals
) -> None:
    host, port = free_address("localhost", None)
    process = subprocess.Popen([sys.executable, "-c", SERVE, own_bento, str(port)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        line = next(line for line in process.stdout if "answers until" in line)
        assert f"http://{host}:{port}/predict" in line
        assert request(f"http://{host}:{port}", "GET", "/readyz")[0] == 200
        assert len(processes_serving(own_bento)) >= 3, "the guard, the supervisor and the worker"
        content_type, body = encode_form(photos(deployed, 1))
        head = (
            f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((host, port), timeout=10) as begun:
            begun.sendall(head.encode() + body[:100])
            time.sleep(0.2)  # until the service has read it
            process.send_signal(number)
            if number != signal.SIGKILL:
                time.sleep(0.5)  # until the signal has reached the worker
                begun.sendall(body[100:])
                assert begun.recv(1000).startswith(b"HTTP/1.1 200")
        assert process.wait(20) == (-number if number == signal.SIGKILL else 0)
    await_gone(own_bento)


@pytest.mark.proof
def test_a_worker_that_dies_is_replaced(own_bento: Path) -> None:
    with serving(own_bento) as url:
        (worker,) = (
            process for process in processes_serving(own_bento) if "_bentoml_impl.worker" in " ".join(process.cmdline())
        )
        worker.kill()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if request(url, "GET", "/readyz")[0] == 200:
                    break
            time.sleep(0.1)
        assert request(url, "GET", "/model")[0] == 200
    await_gone(own_bento)


def test_a_mendable_fault_ends_the_program_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        with serving(tmp_path):
            pass

    assert exit_code(main) == 2
    assert "Run deploy" in capsys.readouterr().err
