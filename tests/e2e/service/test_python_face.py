"""The Python API and the service return the same labels, probabilities, abstention and familiarity."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import darkroom
from components.deploy.parity import golden_photos
from tests.e2e.service.conftest import Deployed


def require_same(answers: list[darkroom.Prediction | darkroom.Failure], served: list[object]) -> None:
    for answer, expected in zip(answers, served, strict=True):
        assert isinstance(answer, darkroom.Prediction)
        assert isinstance(expected, darkroom.Prediction)
        assert (answer.label, answer.abstained) == (expected.label, expected.abstained)
        assert answer.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
        assert answer.confidence == pytest.approx(expected.confidence, abs=1e-4)
        assert answer.unfamiliar == pytest.approx(expected.unfamiliar, rel=1e-4, abs=1e-4)


@pytest.fixture(scope="module")
def photos(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photos from the data set, and noise pictures that resemble no class."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return [*golden_photos(deployed.dataset_dir), *sorted(folder.iterdir())]


def test_a_loaded_classifier_answers_like_the_service(deployed: Deployed, url: str, photos: list[Path]) -> None:
    with darkroom.Client(url) as client:
        served = client.predict(photos)
    classifier = darkroom.load(deployed.bento_dir)
    require_same(classifier.predict(photos), served)
    require_same(classifier.predict([Image.open(path) for path in photos]), served)
    require_same(classifier.predict([np.asarray(Image.open(path)) for path in photos]), served)
    values = [answer.unfamiliar for answer in served if isinstance(answer, darkroom.Prediction)]
    assert None not in values
    assert len(set(values)) > 10, "the photos must differ in familiarity"


def test_a_jpeg_gets_the_same_answer_from_the_python_api_as_from_the_service(deployed: Deployed, url: str) -> None:
    content = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(content, "JPEG")
    with darkroom.Client(url) as client:
        require_same(
            darkroom.load(deployed.bento_dir).predict(content.getvalue()), client.predict([content.getvalue()])
        )


def test_a_registered_champion_answers_like_the_service(
    deployed: Deployed, url: str, photos: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", deployed.mlflow_uri)
    monkeypatch.setenv("DARKROOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    run_id = deployed.info.lineage.mlflow_run_id
    assert run_id is not None
    for folder, name in ((deployed.bundle_dir, "bundle"), (deployed.evaluation_dir, "evaluation")):
        MlflowClient().log_artifacts(run_id, str(folder), name)
    with darkroom.Client(url) as client:
        served = client.predict(photos)
    for name in ("colors@champion", "colors@1", "colors@champion"):
        require_same(darkroom.load(name).predict(photos), served)


def test_an_absent_registered_model_is_reported(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", deployed.mlflow_uri)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(darkroom.DarkroomError, match="MLflow did not return the model colors@nobody"):
        darkroom.load("colors@nobody")
