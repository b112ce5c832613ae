"""Harmless models are accepted, and their imported copies predict the same."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from components.train.keras_import.facts import ImportedModel
from components.train.keras_import.importing import Expectation, import_model
from tests.cases.harmless_models.comparison import compare
from tests.cases.harmless_models.files import BACKBONES, MODELS, file_name, make

ROOT = Path(__file__).parents[4]
LARGEST_DIFFERENCE = 1e-5

SAMPLE = ("residual.keras", "ends_in_a_model.h5", "plain.zip")
ALL = (
    *(f"{name}.{form}" for name in MODELS for form in ("keras", "h5")),
    "plain.zip",
    "transfer.zip",
    "MobileNetV2.weights",
    "MobileNetV2.weights2",
    "MobileNetV3Small.weights",
    "MobileNetV3Small.weights2",
    "ResNet50.weights2",
    "VGG16.weights",
)


def run_harmless(*arguments: str) -> str:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.cases.harmless_models", *arguments]
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout


def check_all(folder: Path, names: tuple[str, ...]) -> dict[str, ImportedModel]:
    """Makes, imports and compares models; separate processes make and compare them, to free the memory afterwards."""
    run_harmless("make", str(folder), *names)
    imported = import_all(folder, names)
    check_differences(json.loads(run_harmless("compare", str(folder)).splitlines()[-1]), names)
    return imported


def import_all(folder: Path, names: tuple[str, ...]) -> dict[str, ImportedModel]:
    imported = {}
    for name in names:
        model, form = name.split(".")
        expected = Expectation()
        if form.startswith("weights"):
            expected = Expectation(architecture=model, image_size=(BACKBONES[model],) * 2)
        imported[name] = import_model(folder / file_name(name), folder / name, expected=expected)
    return imported


def check_differences(differences: dict[str, float], names: tuple[str, ...]) -> None:
    assert set(differences) == set(names)
    assert max(differences.values()) <= LARGEST_DIFFERENCE, differences


@pytest.mark.filterwarnings("ignore")  # Keras' own warnings while it saves
def test_a_sample_of_imported_models_predicts_the_same_as_the_originals(tmp_path: Path) -> None:
    make(tmp_path, list(SAMPLE))
    imported = import_all(tmp_path, SAMPLE)
    check_differences(compare(tmp_path), SAMPLE)
    residual = imported["residual.keras"]
    assert (residual.output, residual.num_outputs, residual.input_shape) == ("softmax", 5, (32, 32, 3))
    assert residual.preprocessing is not None
    assert (residual.preprocessing.pixels, residual.preprocessing.is_certain) == ("0 to 255", True)
    assert imported["plain.zip"].form == "an HDF5 file in a zip"
    assert (
        len({model.model_sha256 for model in imported.values()} | {m.uploaded_sha256 for m in imported.values()}) == 6
    )


@pytest.mark.proof
@pytest.mark.parametrize("start", range(0, len(ALL), 12))
def test_every_kind_of_imported_model_predicts_the_same_as_the_original(start: int, tmp_path: Path) -> None:
    check_all(tmp_path, ALL[start : start + 12])


@pytest.mark.proof
def test_real_weights_files_are_accepted_with_their_architecture(shared_dir: Path, tmp_path: Path) -> None:
    (weights,) = (shared_dir / "weights").glob("mobilenet_v2_*_no_top.h5")
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.write(weights, weights.name)
    imported = import_model(
        tmp_path / "model.zip", tmp_path / "output", expected=Expectation(architecture="MobileNetV2")
    )
    assert (imported.output, imported.output_shape, imported.num_parameters) == ("features", (7, 7, 1280), 2_257_984)
    assert imported.preprocessing is not None
    assert (imported.preprocessing.pixels, imported.preprocessing.is_certain) == ("-1 to 1", False)
    assert imported.feature_layer == "out_relu"
