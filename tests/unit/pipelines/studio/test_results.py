"""What runs came to, and a finished model at work, on a run that is made of the contract's own files."""

import base64
import io
import json
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.contract.artifacts.bento import Lineage, ServiceFacts
from components.contract.inference.graph import export_sha256
from components.contract.system.atomic_files import write_json
from components.contract.tracking.run import create_run
from pipelines.cli.main import call
from pipelines.studio.results import describe_ranking
from tests.support.artifacts import CLASS_NAMES, make_bundle, make_dataset, make_evaluation, photo
from tests.unit.pipelines.studio.conftest import Client

RUN = "20260101-000000-abcd"


def make_run(folder: Path, mlflow_run_id: str | None = None) -> None:
    info = make_dataset(folder / "dataset")
    make_bundle(folder / "model", info, mlflow_run_id=mlflow_run_id)
    make_evaluation(folder / "evaluation", folder / "dataset", folder / "model")
    source = folder / "bento" / "bento" / "src"
    shutil.copytree(folder / "model" / "export", source / "export")
    write_json(
        source / "service.json",
        ServiceFacts(
            tag="colors:1",
            class_names=info.class_names,
            image_size=info.image_size,
            resize=info.resize,
            lineage=Lineage(
                mlflow_run_id=mlflow_run_id,
                dataset_fingerprint=info.fingerprint,
                source=info.source,
                export_sha256=export_sha256(source / "export"),
            ),
        ),
    )
    (folder / "summary.json").write_text("{}")


@pytest.fixture
def client_with_run(client: Client, tmp_path: Path) -> Client:
    make_run(tmp_path / "runs" / RUN)
    return client


def png(class_name: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo(class_name, np.random.default_rng(5), (30, 20))).save(file, "PNG")
    return file.getvalue()


def test_a_finished_model_answers_about_photos_and_shows_where(client_with_run: Client) -> None:
    for class_name in CLASS_NAMES:
        answer = client_with_run.put(f"/api/models/{RUN}/predict", png(class_name)).json()
        assert answer["label"] == class_name
        assert answer["probabilities"][0][1] == max(share for _, share in answer["probabilities"])
    explanation = client_with_run.put(f"/api/models/{RUN}/explain?class_name=red", png("red")).json()
    assert Image.open(io.BytesIO(base64.b64decode(explanation["overlay"].split(",")[1]))).format == "PNG"


@pytest.mark.parametrize(
    ("path", "content", "status", "words"),
    [
        (f"{RUN}/predict", b"no photo", 422, "must be one of"),
        (f"{RUN}/predict", b"", 422, "must hold data"),
        ("nothing/predict", png("red"), 400, "none"),
        ("package-..%2F..%2Fetc/predict", png("red"), 404, "Not Found"),
        ("package-nothing/predict", png("red"), 400, "no package"),
        (f"{RUN}/explain?class_name=mauve", png("red"), 404, "mauve"),
    ],
)
def test_what_cannot_be_asked_is_told(
    client_with_run: Client, path: str, content: bytes, status: int, words: str
) -> None:
    answer = client_with_run.put(f"/api/models/{path}", content)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_a_cell_of_the_matrix_opens_its_photos(client_with_run: Client) -> None:
    rows = client_with_run.get(f"/api/runs/{RUN}/cell?label=1&predicted=1").json()
    assert len(rows) == 12
    assert [row["sureness"] for row in rows] == sorted((row["sureness"] for row in rows), reverse=True)
    assert client_with_run.get(f"/api/runs/{RUN}/cell?label=1&predicted=0").json() == []
    place = f"/api/runs/{RUN}/photos/test/{rows[0]['image_id']}"
    pixels = np.asarray(Image.open(io.BytesIO(client_with_run.get(place).content)).convert("RGB"))
    assert pixels.shape == (16, 16, 3)
    assert pixels.mean(axis=(0, 1)).argmax() == 1, "green"
    assert client_with_run.get(f"{place}?class_name=green").headers["content-type"] == "image/png"


@pytest.mark.parametrize("place", ["test/0000", "secret/0000", "../../../etc/passwd"])
def test_only_photos_of_the_run_are_shown(client_with_run: Client, place: str) -> None:
    assert client_with_run.get(f"/api/runs/{RUN}/photos/{place}").status_code == 404


@pytest.mark.parametrize("name", ["summary.json", "predictions.parquet", "..", "report.html"])
def test_only_the_report_and_its_relatives_are_served(client_with_run: Client, name: str) -> None:
    assert client_with_run.get(f"/runs/{RUN}/{name}").status_code == 404


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ([], "no other run"),
        ([(0.5, 0.4, 0.6)], "every other run lies clearly below"),
        ([(0.89, 0.8, 0.95)], "cannot tell it from 1 other run"),
    ],
)
def test_the_leaderboard_says_what_its_order_is_worth(others: list[tuple[float, float, float]], words: str) -> None:
    lines = [
        {
            "run_id": f"run-{number}",
            "model": "net",
            "validation": {"accuracy": dict(zip(("value", "low", "high"), figures, strict=True))},
        }
        for number, figures in enumerate([(0.9, 0.85, 0.94), *others])
    ]
    assert words in describe_ranking(lines)


@pytest.mark.proof
def test_the_gate_is_asked_once_more(
    client: Client, tmp_path: Path, mlflow_store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "runs" / RUN, create_run(experiment="colors", name="test").run_id)
    assert call(["promote", RUN, "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["promoted"]
    assert "champion" in outcome["reason"]


def test_a_service_is_said_to_be_ready_as_soon_as_it_answers(client: Client) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as page:
        about = {"url": f"http://127.0.0.1:{page.server_port}"}
        job = client.studio.queue.add("ui", "MLflow", ["ui"], about=about).path.name
        threading.Thread(target=page.serve_forever).start()
        assert client.get(f"/api/jobs/{job}/ready").json() == {"ready": True}
        page.shutdown()
    assert client.get(f"/api/jobs/{job}/ready").json() == {"ready": False}
    other_job = client.studio.queue.add("speed", "Measure", ["model", "speed", "VGG16"]).path.name
    assert client.get(f"/api/jobs/{other_job}/ready").status_code == 404
