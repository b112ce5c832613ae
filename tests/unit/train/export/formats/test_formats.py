"""An exported model predicts the same as the service; otherwise it is not written."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.contract.artifacts.bundle import BundleInfo
from components.contract.artifacts.dataset import open_split
from components.contract.artifacts.exported_model import FORMATS, Format
from components.contract.errors import ArtifactError, ModelError
from components.contract.inference.graph import InferenceGraph, softmax
from components.contract.system.atomic_files import write_json
from components.train.export.formats.export import ExportedModel, export_model
from tests.support.artifacts import CLASS_NAMES, make_dataset, make_evaluation
from tests.unit.train.export.formats.bundle import make_untrained_bundle

Folders = tuple[Path, Path, Path]
TEMPERATURE = 2.0
FILES = {
    "savedmodel": "1/saved_model.pb",
    "onnx": "model.onnx",
    "litert": "model.tflite",
    "litert-int8": "model.tflite",
    "openvino": "model.xml",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A data set, the bundle of an untrained network, and its evaluation with a temperature of 2."""
    folder = tmp_path_factory.mktemp("formats")
    info = make_dataset(folder / "dataset", per_class=4)
    make_untrained_bundle(folder / "model", info)
    make_evaluation(folder / "evaluation", folder / "dataset", folder / "model", calibrated=True)
    return folder / "dataset", folder / "model", folder / "evaluation"


@pytest.fixture(scope="module")
def exported(folders: Folders, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ExportedModel]:
    target = tmp_path_factory.mktemp("exported")
    return {name: export_model(*folders, target / name, name) for name in FORMATS}


@pytest.mark.parametrize("name", FORMATS)
def test_an_exported_model_agrees_with_the_service(name: Format, exported: dict[str, ExportedModel]) -> None:
    model = exported[name]
    assert model.same_label == model.num_photos > 0
    assert model.max_probability_difference < (0.02 if name == "litert-int8" else 1e-5)
    assert model.size_bytes > 0
    assert {FILES[name], "model.json", "predict.py"} <= {
        path.relative_to(model.path).as_posix() for path in Path(model.path).rglob("*")
    }
    card = json.loads(Path(model.path, "model.json").read_text())
    assert (card["format"], tuple(card["class_names"])) == (name, CLASS_NAMES)


@pytest.mark.parametrize("name", ["onnx", "litert", "openvino", pytest.param("savedmodel", marks=pytest.mark.proof)])
def test_the_script_beside_the_model_classifies_without_darkroom(
    name: Format, folders: Folders, exported: dict[str, ExportedModel], tmp_path: Path
) -> None:
    photos = sorted((folders[0] / "golden").iterdir())
    script = Path(exported[name].path, "predict.py")
    process = subprocess.run([sys.executable, "-P", script, *photos], capture_output=True, text=True, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    rows = [line.split("\t") for line in process.stdout.splitlines()]
    split = open_split(folders[0], "test")
    logits = InferenceGraph(folders[1] / "export").run(split.gather(np.arange(len(split)))).logits
    expected = dict(zip(split.image_ids, softmax(logits / TEMPERATURE), strict=True))
    assert [row[0] for row in rows] == [str(photo) for photo in photos]
    for path, label, confidence in rows:
        assert label == CLASS_NAMES[expected[Path(path).stem].argmax()]
        assert float(confidence) == pytest.approx(expected[Path(path).stem].max(), abs=0.01)


def test_a_saved_model_has_the_signature_that_tensorflow_serving_uses(
    folders: Folders, exported: dict[str, ExportedModel]
) -> None:
    ask = tf.saved_model.load(Path(exported["savedmodel"].path, "1")).signatures["serving_default"]
    photos = open_split(folders[0], "test").gather(np.arange(5))
    answer = ask(pixels=tf.constant(photos))
    logits = InferenceGraph(folders[1] / "export").run(photos).logits
    assert np.allclose(answer["logits"], logits, atol=1e-4)
    assert np.allclose(answer["probabilities"], softmax(logits / TEMPERATURE), atol=1e-5)
    names = json.loads(Path(exported["savedmodel"].path, "1", "assets.extra", "class_names.json").read_text())
    assert tuple(names) == CLASS_NAMES


@pytest.mark.parametrize("name", ["savedmodel", "litert"])
def test_a_model_that_disagrees_with_the_service_is_not_written(name: Format, folders: Folders, tmp_path: Path) -> None:
    shutil.copytree(folders[1], tmp_path / "model")
    odd = keras.saving.load_model(tmp_path / "model" / "model.keras")
    odd.set_weights([2 * weights for weights in odd.get_weights()])
    odd.save(tmp_path / "model" / "model.keras")
    with pytest.raises(ModelError, match=r"within 0\.0001 of the service's;"):
        export_model(folders[0], tmp_path / "model", folders[2], tmp_path / "out", name)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_layer_that_a_format_does_not_support_is_reported(folders: Folders, tmp_path: Path) -> None:
    shutil.copytree(folders[1], tmp_path / "model")

    @keras.saving.register_keras_serializable("tests")
    class Bessel(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
        """A layer with a TensorFlow operation that neither LiteRT nor ONNX supports."""

        def call(self, inputs: Any) -> Any:
            return tf.math.bessel_i0e(inputs)

    network = keras.saving.load_model(tmp_path / "model" / "model.keras")
    logits = Bessel(name="bessel")(network.output)
    keras.Model(network.input, logits).save(tmp_path / "model" / "model.keras")
    for name in ("litert", "onnx"):
        with pytest.raises(ModelError, match=r"no equivalent for the layer 'bessel' .*\(its operation BesselI0e\)"):
            export_model(folders[0], tmp_path / "model", folders[2], tmp_path / "out", name)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_exporting_an_int8_model_or_to_an_existing_folder_is_refused(folders: Folders, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="new folder"):
        export_model(*folders, tmp_path)
    info = BundleInfo.model_validate_json((folders[1] / "bundle.json").read_bytes())
    int8 = info.model_copy(update={"export": info.export.model_copy(update={"precision": "int8"})})
    write_json(tmp_path / "model" / "bundle.json", int8)
    with pytest.raises(ModelError, match=r"train\.export_precision=float32"):
        export_model(folders[0], tmp_path / "model", folders[2], tmp_path / "out")
