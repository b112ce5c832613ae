"""The results of runs and the predictions of a finished model, tested on a run whose files the test generates."""

import base64
import io
import json
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.contract.artifacts.bento import Lineage, ServiceFacts
from components.contract.inference.graph import export_sha256
from components.contract.system.atomic_files import write_json
from components.contract.tracking.run import create_run
from components.evaluate.data_quality.embedding_map import EmbeddingMap, MapPhotos, write_map
from components.evaluate.data_quality.outliers import Outlier, write_outliers
from pipelines.cli.main import call
from pipelines.runners.run_notes import write_promotion
from pipelines.runners.runs import RunState
from pipelines.studio.results import describe_ranking, mark_champions
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
    accuracy = {"value": 0.9, "low": 0.8, "high": 0.95}
    summary = {
        "dataset": {"name": "colors", "fingerprint": info.fingerprint, "num_classes": len(info.class_names)},
        "model": {"name": "a_net", "kind": "layers", "num_parameters": 9},
        "validation": {"accuracy": accuracy},
        "test": {"accuracy": accuracy},
        "gate": {"verdict": "first", "reasons": [], "champion": None},
        "promoted": False,
        "seconds": {"total": 5.0},
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "params.yaml").write_text("data: {uri: colors}\n")
    state = RunState(run_id=folder.name, status="finished", started="2026-01-01T00:00:00+00:00", data="colors")
    write_json(folder / "run.json", state)


@pytest.fixture
def client_with_run(client: Client, tmp_path: Path) -> Client:
    make_run(tmp_path / "runs" / RUN)
    return client


def png(class_name: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo(class_name, np.random.default_rng(5), (30, 20))).save(file, "PNG")
    return file.getvalue()


def test_a_finished_model_classifies_photos_and_explains_a_class_with_an_overlay(client_with_run: Client) -> None:
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
        (f"{RUN}/predict", b"", 422, "must not be empty"),
        ("nothing/predict", png("red"), 400, "no finished run"),
        ("package-..%2F..%2Fetc/predict", png("red"), 404, "Not Found"),
        ("package-nothing/predict", png("red"), 400, "no package"),
        (f"{RUN}/explain?class_name=mauve", png("red"), 404, "mauve"),
    ],
)
def test_invalid_requests_are_reported(
    client_with_run: Client, path: str, content: bytes, status: int, words: str
) -> None:
    answer = client_with_run.put(f"/api/models/{path}", content)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_a_cell_of_the_confusion_matrix_lists_its_photos(client_with_run: Client) -> None:
    rows = client_with_run.get(f"/api/runs/{RUN}/cell?label=1&predicted=1").json()
    assert len(rows) == 12
    assert [row["sureness"] for row in rows] == sorted((row["sureness"] for row in rows), reverse=True)
    assert client_with_run.get(f"/api/runs/{RUN}/cell?label=1&predicted=0").json() == []
    place = f"/api/runs/{RUN}/photos/test/{rows[0]['image_id']}"
    pixels = np.asarray(Image.open(io.BytesIO(client_with_run.get(place).content)).convert("RGB"))
    assert pixels.shape == (16, 16, 3)
    assert pixels.mean(axis=(0, 1)).argmax() == 1, "the photo must be green"
    assert client_with_run.get(f"{place}?class_name=green").headers["content-type"] == "image/png"


def test_the_map_lists_the_photos_with_their_findings(client_with_run: Client, tmp_path: Path) -> None:
    evaluation_dir = tmp_path / "runs" / RUN / "evaluation"
    assert client_with_run.get(f"/api/runs/{RUN}/map").json() == {"photos": []}, "without a map, no photo may be listed"
    positions = np.array([[0, 1], [1, 0]], np.float32)
    photos = MapPhotos(["test", "train"], ["0001", "0002"], np.array([0, 1]), np.array([0, 2]))
    write_map(evaluation_dir / "embedding_map.parquet", EmbeddingMap(photos, positions), {"0001": "blue/1.png"})
    write_outliers(evaluation_dir / "outliers.csv", [Outlier("train", "0002", 1, 0.5)], CLASS_NAMES, {})
    first, second = client_with_run.get(f"/api/runs/{RUN}/map").json()["photos"]
    assert first == {
        "split": "test",
        "image_id": "0001",
        "path": "blue/1.png",
        "label": 0,
        "predicted": 0,
        "x": 0,
        "y": 1,
        "findings": [],
    }
    assert (second["path"], second["predicted"], second["findings"]) == ("0002", 2, ["outlier"])


@pytest.mark.parametrize("place", ["test/0000", "secret/0000", "../../../etc/passwd"])
def test_only_photos_of_the_run_are_shown(client_with_run: Client, place: str) -> None:
    assert client_with_run.get(f"/api/runs/{RUN}/photos/{place}").status_code == 404


@pytest.mark.parametrize("name", ["summary.json", "predictions.parquet", "..", "report.html"])
def test_missing_reports_and_other_files_are_not_served(client_with_run: Client, name: str) -> None:
    assert client_with_run.get(f"/runs/{RUN}/{name}").status_code == 404


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ([], "no other run"),
        ([(0.5, 0.4, 0.6)], "clearly more than every other run"),
        ([(0.89, 0.8, 0.95)], "1 other run may be just as good"),
    ],
)
def test_the_leaderboard_states_how_certain_its_order_is(others: list[tuple[float, float, float]], words: str) -> None:
    lines = [
        {
            "run_id": f"run-{number}",
            "model": "net",
            "validation": {"accuracy": dict(zip(("value", "low", "high"), figures, strict=True))},
        }
        for number, figures in enumerate([(0.9, 0.85, 0.94), *others])
    ]
    assert words in describe_ranking(lines)


def test_runs_are_ranked_together_if_their_validation_photos_are_the_same(
    client_with_run: Client, tmp_path: Path
) -> None:
    """The fingerprint of the data set also depends on the size of the prepared photos, and is not compared."""
    runs_dir = tmp_path / "runs"
    for name in ("20260101-000001-abcd", "20260101-000002-abcd"):
        make_run(runs_dir / name)
    summary = json.loads((runs_dir / "20260101-000001-abcd" / "summary.json").read_text())
    summary["dataset"]["fingerprint"] = "other"
    (runs_dir / "20260101-000001-abcd" / "summary.json").write_text(json.dumps(summary))
    path = runs_dir / "20260101-000002-abcd" / "evaluation" / "predictions.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)  # one validation photo less
    together, apart = sorted(client_with_run.get("/api/runs").json()["boards"], key=lambda board: -len(board["runs"]))
    assert set(together["runs"]) == {RUN, "20260101-000001-abcd"}
    assert apart["runs"] == ["20260101-000002-abcd"]
    assert together["data"] != apart["data"]


def test_a_run_without_its_table_of_predictions_is_still_listed(client_with_run: Client, tmp_path: Path) -> None:
    (tmp_path / "runs" / RUN / "evaluation" / "predictions.parquet").unlink()
    (board,) = client_with_run.get("/api/runs").json()["boards"]
    assert board["runs"] == [RUN]


@pytest.mark.proof
def test_promoting_a_finished_run_applies_the_gate_again(
    client: Client, tmp_path: Path, mlflow_store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "runs" / RUN, create_run(experiment="colors", name="test").run_id)
    assert call(["promote", RUN, "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["promoted"]
    assert "champion" in outcome["reason"]


def test_a_service_is_reported_as_ready_as_soon_as_it_answers(client: Client) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as page:
        about = {"url": f"http://127.0.0.1:{page.server_port}"}
        job = client.studio.queue.add("ui", "MLflow", ["ui"], about=about).path.name
        threading.Thread(target=page.serve_forever).start()
        assert client.get(f"/api/jobs/{job}/ready").json() == {"ready": True}
        page.shutdown()
    assert client.get(f"/api/jobs/{job}/ready").json() == {"ready": False}
    other_job = client.studio.queue.add("speed", "Measure", ["model", "speed", "VGG16"]).path.name
    assert client.get(f"/api/jobs/{other_job}/ready").status_code == 404


def test_a_run_keeps_its_name_and_notes(client_with_run: Client) -> None:
    answer = client_with_run.post(f"/api/runs/{RUN}", {"name": " First try ", "notes": "dark photos\nincluded"})
    assert answer.json() == {"name": "First try", "notes": "dark photos\nincluded"}
    (line,) = client_with_run.get("/api/runs").json()["runs"]
    assert (line["name"], line["notes"]) == ("First try", "dark photos\nincluded")
    assert (
        "First try classifies 90.0 % of the validation photos correctly"
        in client_with_run.get("/api/runs").json()["boards"][0]["sentence"]
    )
    client_with_run.post(f"/api/runs/{RUN}", {"name": "", "notes": ""})
    assert client_with_run.get("/api/runs").json()["runs"][0]["name"] == ""


@pytest.mark.parametrize(
    ("run", "body", "words"),
    [
        (RUN, {"name": "x" * 81}, "80 characters"),
        (RUN, {"name": "", "notes": "x" * 5001}, "5,000"),
        (RUN, {"name": 5}, "name: expected a valid string; found 5"),
        ("..", {"name": "a"}, ""),
        ("%2e%2e%2fetc", {"name": "a"}, ""),
        ("nothing", {"name": "a"}, "no finished run"),
    ],
)
def test_invalid_names_and_notes_and_unknown_runs_are_rejected(
    client_with_run: Client, run: str, body: dict[str, Any], words: str
) -> None:
    answer = client_with_run.post(f"/api/runs/{run}", body)
    assert answer.status_code in (400, 404, 405)
    assert words in answer.text
    assert client_with_run.get("/api/runs").json()["runs"][0]["name"] == ""


def test_a_page_from_another_site_cannot_rename_a_run(client_with_run: Client) -> None:
    headers = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
    assert client_with_run.post(f"/api/runs/{RUN}", {"name": "a"}, headers=headers).status_code == 403


def test_the_latest_decision_of_the_gate_determines_the_standing_of_a_run(
    client_with_run: Client, tmp_path: Path
) -> None:
    def standing() -> tuple[str, str]:
        line = client_with_run.get("/api/runs").json()["runs"][0]
        return line["standing"], line["promotion_reason"]

    folder = tmp_path / "runs" / RUN
    write_promotion(folder, promoted=True, reason="It is the champion now.")
    assert standing() == ("champion", "It is the champion now.")
    write_promotion(folder, promoted=False, reason="Another run is better.")
    assert standing() == ("not promoted", "Another run is better.")


def test_the_run_that_was_promoted_last_is_the_champion() -> None:
    lines = [
        {"status": "finished", "data": "pets", "promoted": True, "decided": f"2026-01-01T10:0{minute}:00+01:00"}
        for minute in (2, 5, 3)
    ]
    lines.append({"status": "finished", "data": "cars", "promoted": False, "decided": "2026-01-01T10:09:00+01:00"})
    lines.append({"status": "failed"})
    mark_champions(lines)
    assert [line.get("standing") for line in lines] == [
        "former champion",
        "champion",
        "former champion",
        "not promoted",
        None,
    ]
