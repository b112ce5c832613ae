"""The feedback loop: clients report correct labels, and a task file lists the photos that should be labeled next."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.contract.errors import DataError, ServiceError
from components.deploy.bento.server import serving
from components.deploy.client import Client, Prediction
from components.deploy.service.predictions.feedback import read_feedback
from components.deploy.service.settings import API_KEY, PREDICTION_LOG
from pipelines.cli.main import call
from tests.e2e.service.client import photos, request
from tests.e2e.service.conftest import Deployed

KEY = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class LoggingService:
    """A service with an API key and a prediction log."""

    url: str
    log_dir: Path

    def report(self, content: object, **headers: str) -> tuple[int, str]:
        """Sends feedback; returns the status and, if it is 200, the predicted class, otherwise the error code."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"Content_Type": "application/json", "X_API_Key": KEY} | headers
        status, answer = request(self.url, "POST", "/feedback", body, **headers)
        return status, answer["error"]["code"] if status != 200 else answer["predicted"]


@pytest.fixture(scope="module")
def service(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoggingService]:
    log_dir = tmp_path_factory.mktemp("log")
    with serving(deployed.bento_dir, settings={API_KEY: KEY, PREDICTION_LOG: str(log_dir)}) as url:
        yield LoggingService(url, log_dir)


@pytest.fixture(scope="module")
def predictions(deployed: Deployed, service: LoggingService) -> list[Prediction]:
    with Client(service.url, api_key=KEY) as client:
        answers = client.predict(photos(deployed, 12))
    return [answer for answer in answers if isinstance(answer, Prediction)]


def test_invalid_feedback_is_rejected_with_a_reason(service: LoggingService, predictions: list[Prediction]) -> None:
    known = str(predictions[0].id)
    for content, status, code in (
        ({"id": known, "label": "rde"}, 400, "unknown_class"),
        ({"id": known}, 400, "bad_feedback"),
        ({"id": known, "label": 3}, 400, "bad_feedback"),
        ({"id": known, "label": "red", "photo": "x"}, 400, "bad_feedback"),
        ([], 400, "bad_feedback"),
        (b"[" * 8000, 400, "bad_feedback"),
        (b"\xff", 400, "bad_feedback"),
        (b"", 400, "bad_feedback"),
        (b" " * 2**13 + b"{}", 413, "too_large"),
        ({"id": known[:-1] + ("0" if known[-1] != "0" else "1"), "label": "red"}, 404, "unknown_id"),
        ({"id": "../../etc/passwd", "label": "red"}, 404, "unknown_id"),
        ({"id": "", "label": "red"}, 404, "unknown_id"),
    ):
        assert service.report(content) == (status, code), content
    good = {"id": known, "label": "red"}
    assert service.report(good, Content_Type="text/plain") == (415, "not_json")
    assert service.report(good, X_API_Key="another key") == (401, "unauthorized")
    assert request(service.url, "GET", "/feedback", X_API_Key=KEY)[0] == 405
    assert read_feedback(service.log_dir) == {}


def test_a_service_without_a_log_refuses_feedback(url: str) -> None:
    with (
        Client(url) as client,
        pytest.raises(ServiceError, match="requires a prediction log, but this service has none"),
    ):
        client.send_feedback("4c1f0a9b2d3e-0199f0c2d3e4-5f6a7b8c9d0e", "red")


def test_disputed_predictions_come_first_among_the_photos_to_label(
    deployed: Deployed,
    service: LoggingService,
    predictions: list[Prediction],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "sent").mkdir()
    with Client(service.url, api_key=KEY) as client:  # sends two photos again
        repeated = client.predict([photos(deployed, 12)[5], photos(deployed, 12)[6]])
    for prediction, content in zip(repeated, photos(deployed, 12)[5:7], strict=True):
        assert isinstance(prediction, Prediction)
        (tmp_path / "sent" / f"{prediction.id}.png").write_bytes(content)
    for prediction, content in zip(predictions, photos(deployed, 12), strict=True):
        (tmp_path / "sent" / f"{prediction.id}.png").write_bytes(content)
    disputed = predictions[5]
    right_label = next(name for name in ("red", "green") if name != disputed.label)
    with Client(service.url, api_key=KEY) as client:
        client.send_feedback(str(disputed.id), right_label)
        client.send_feedback(str(predictions[6].id), predictions[6].label)
    run_dir = tmp_path / "runs" / "first"
    run_dir.mkdir(parents=True)
    (run_dir / "summary.json").write_text("{}")
    (run_dir / "bento").symlink_to(deployed.bento_dir)
    (run_dir / "dataset").symlink_to(deployed.dataset_dir)
    monkeypatch.chdir(tmp_path)
    command = ["data", "next", "--from", str(service.log_dir), "--run", "first", "--count", "3", "--output", "next"]
    with pytest.raises(DataError, match="name their folder with --photos"):
        call(command)
    call([*command, "--photos", "sent", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert (result["num_photos"], result["num_candidates"], result["num_disputed"]) == (3, 12, 1)

    tasks = json.loads((tmp_path / "next" / "tasks.json").read_text())
    first = tasks[0]["data"]
    assert (first["source"], first["answer"], first["reported"]) == (disputed.id, disputed.label, right_label)
    (suggestion,) = tasks[0]["predictions"]
    assert (suggestion["model_version"], suggestion["result"][0]["value"]) == ("feedback", {"choices": [right_label]})
    assert "score" not in suggestion, "the confidence in the disputed label must not be the score"
    assert {task["predictions"][0]["score"] for task in tasks[1:]} == {
        float(task["data"]["confidence"]) for task in tasks[1:]
    }
    for task in tasks:
        name = task["data"]["image"].removeprefix("/data/local-files/?d=")
        sent = tmp_path / "sent" / f"{task['data']['source']}.png"
        assert (tmp_path / "next" / name).read_bytes() == sent.read_bytes()
    assert '<Choice value="green"/>' in (tmp_path / "next" / "labeling_interface.xml").read_text()
