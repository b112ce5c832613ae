"""A loaded classifier accepts photos in several forms, and predicts the same no matter how the model is named."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

import darkroom
from components.contract.artifacts.bento import ServiceFacts
from components.contract.artifacts.bundle import read_bundle
from components.contract.artifacts.evaluation import Verdict, read_evaluation
from components.contract.inference.calibration import Calibration, read_calibration, write_calibration
from components.contract.tracking.run import create_run
from components.deploy.bento.build import Extras, lay_out
from components.deploy.parity import golden_photos, read_expected
from components.deploy.release.registry import register
from darkroom.runs import Run
from tests.support.artifacts import CLASS_NAMES, make_evaluation, photo
from tests.unit.deploy.conftest import Artifacts, artifacts

__all__ = ["artifacts"]


@pytest.fixture
def classifier(artifacts: Artifacts) -> darkroom.Classifier:
    return darkroom.load(artifacts.bundle_dir)


def shares(answer: darkroom.Prediction | darkroom.Failure) -> list[float]:
    assert isinstance(answer, darkroom.Prediction), answer
    return [answer.probabilities[name] for name in CLASS_NAMES]


def test_paths_contents_arrays_and_images_get_the_same_answer(
    classifier: darkroom.Classifier, artifacts: Artifacts
) -> None:
    paths = golden_photos(artifacts.dataset_dir)
    expected = read_expected(artifacts.evaluation_dir)
    pixels = np.stack([np.asarray(Image.open(path)) for path in paths])
    for photos in (
        paths,
        [str(path) for path in paths],
        [path.read_bytes() for path in paths],
        [Image.open(path) for path in paths],
        list(pixels),
        pixels,
    ):
        answers = classifier.predict(photos)
        assert [answer.label for answer in answers] == [CLASS_NAMES[expected[path.stem].label] for path in paths]
        for path, answer in zip(paths, answers, strict=True):
            assert shares(answer) == pytest.approx(expected[path.stem].probabilities, abs=1e-4)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK", "I;16"])
def test_an_image_of_any_mode_gets_the_same_answer_as_its_file(mode: str, classifier: darkroom.Classifier) -> None:
    image = Image.fromarray(photo("red", np.random.default_rng(0)))
    image = image.convert("L").convert("I;16") if mode == "I;16" else image.convert(mode)
    content = io.BytesIO()
    image.save(content, "TIFF")
    from_image, from_file = classifier.predict([image, content.getvalue()])
    assert shares(from_image) == pytest.approx(shares(from_file), abs=1e-4)


def test_an_image_with_an_exif_rotation_gets_the_same_answer_as_its_file(classifier: darkroom.Classifier) -> None:
    image = Image.fromarray(np.arange(32 * 48 * 3, dtype=np.uint32).reshape(32, 48, 3).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    content = io.BytesIO()
    image.save(content, "PNG", exif=exif)
    from_image, from_file = classifier.predict([Image.open(content), content.getvalue()])
    assert shares(from_image) == pytest.approx(shares(from_file), abs=1e-4)


def test_a_single_photo_gets_a_list_with_one_answer(classifier: darkroom.Classifier, artifacts: Artifacts) -> None:
    path = golden_photos(artifacts.dataset_dir)[0]
    image = Image.open(path)
    for one in (path, str(path), path.read_bytes(), image, np.asarray(image)):
        assert len(classifier.predict(one)) == 1
    assert classifier.predict([]) == []


def test_a_file_that_is_not_a_photo_gets_an_error_in_its_place(
    classifier: darkroom.Classifier, artifacts: Artifacts
) -> None:
    good = golden_photos(artifacts.dataset_dir)[0]
    answers = classifier.predict([good, b"no photo", "absent.jpg"])
    assert [type(answer) for answer in answers] == [darkroom.Prediction, darkroom.Failure, darkroom.Failure]
    assert [answer.code for answer in answers[1:] if isinstance(answer, darkroom.Failure)] == [
        "not_an_image",
        "unreadable",
    ]


@pytest.mark.parametrize(
    "thing",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        5,
    ],
    ids=str,
)
def test_an_object_that_is_not_a_photo_is_rejected(thing: object, classifier: darkroom.Classifier) -> None:
    with pytest.raises(darkroom.DarkroomError, match=r"(An array|A photo) must be"):
        classifier.predict([thing])  # type: ignore[list-item]


def test_loading_any_folder_of_a_run_leads_to_the_same_predictions(artifacts: Artifacts, tmp_path: Path) -> None:
    shutil.copytree(artifacts.bundle_dir, tmp_path / "model")
    source_dir = tmp_path / "bento" / "bento" / "src"
    lay_out(source_dir, tmp_path / "model", read_bundle(tmp_path / "model"), "colors")
    path = golden_photos(artifacts.dataset_dir)[0]
    places = (tmp_path, tmp_path / "bento", source_dir.parent, source_dir, tmp_path / "model", Run(tmp_path))
    answers = [darkroom.load(place).predict(path) for place in places]
    assert answers == [answers[0]] * len(places)


@pytest.fixture
def evaluation_dir(artifacts: Artifacts, tmp_path: Path) -> Path:
    make_evaluation(tmp_path / "evaluation", artifacts.dataset_dir, artifacts.bundle_dir, calibrated=True)
    return tmp_path / "evaluation"


def lay_out_bento(artifacts: Artifacts, evaluation_dir: Path, bento_dir: Path, run_id: str) -> ServiceFacts:
    """Lays out the folder `src` of a bento, without building the bento, and returns the service facts."""
    bundle = read_bundle(artifacts.bundle_dir).model_copy(update={"mlflow_run_id": run_id})
    extras = Extras(read_evaluation(evaluation_dir), evaluation_dir)
    return lay_out(bento_dir / "src", artifacts.bundle_dir, bundle, "colors", extras)


def repeat_evaluation(evaluation_dir: Path, temperature: float) -> None:
    calibration = read_calibration(evaluation_dir)
    facts = calibration.facts.model_copy(update={"temperature": temperature})
    write_calibration(evaluation_dir, Calibration(facts, calibration.reference))


def test_a_registered_version_answers_like_its_service_after_a_repeated_evaluation(
    mlflow_store: str, artifacts: Artifacts, evaluation_dir: Path, tmp_path: Path
) -> None:
    run_id = str(create_run(experiment="colors", name="test").run_id)
    client = MlflowClient()
    client.log_artifacts(run_id, str(artifacts.bundle_dir), "bundle")
    path = golden_photos(artifacts.dataset_dir)[0]
    answers = {}
    for version, temperature in (("1", 2.0), ("2", 5.0)):
        repeat_evaluation(evaluation_dir, temperature)
        client.log_artifacts(run_id, str(evaluation_dir), "evaluation")
        bento_dir = tmp_path / f"bento-{version}"
        facts = lay_out_bento(artifacts, evaluation_dir, bento_dir, run_id)
        assert register("colors", facts, Verdict(verdict="first", reasons=()), bento_dir=bento_dir).version == version
        answers[version] = darkroom.load(bento_dir).predict(path)
    repeat_evaluation(evaluation_dir, 9.0)
    client.log_artifacts(run_id, str(evaluation_dir), "evaluation")
    assert answers["1"] != answers["2"]
    for _ in range(2):  # the first pass downloads the models; the second reads them from the cache
        assert darkroom.load("colors@1").predict(path) == answers["1"]
        assert darkroom.load("colors@2").predict(path) == answers["2"]
        assert darkroom.load("colors@champion").predict(path) == answers["1"]


def test_a_version_whose_source_is_the_bundle_is_loaded_with_the_calibration_of_its_run(
    mlflow_store: str, artifacts: Artifacts, evaluation_dir: Path, tmp_path: Path
) -> None:
    run_id = str(create_run(experiment="colors", name="test").run_id)
    facts = lay_out_bento(artifacts, evaluation_dir, tmp_path / "bento", run_id)
    client = MlflowClient()
    client.log_artifacts(run_id, str(artifacts.bundle_dir), "bundle")
    client.log_artifacts(run_id, str(evaluation_dir), "evaluation")
    register("colors", facts, Verdict(verdict="first", reasons=()))
    path = golden_photos(artifacts.dataset_dir)[0]
    assert darkroom.load("colors@1").predict(path) == darkroom.load(tmp_path / "bento").predict(path)


def test_an_unknown_model_is_reported_with_the_ways_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(darkroom.DarkroomError, match=r"'absent' is none of these; this folder has no finished runs"):
        darkroom.load("absent")
