"""A SavedModel answers as the service does, or there is none."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.contract.artifacts.bundle import BundleInfo, ModelFacts
from components.contract.artifacts.dataset import DatasetInfo, open_split
from components.contract.errors import ArtifactError, ModelError
from components.contract.inference.graph import InferenceGraph, softmax
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.system.atomic_files import write_json
from components.train.export.graph import export_network
from components.train.export.saved_model import export_saved_model
from components.train.network.architecture import build_network
from tests.support.artifacts import CLASS_NAMES, make_dataset, make_evaluation


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A data set, the bundle of an untrained network, and its evaluation, whose temperature is 2."""
    folder = tmp_path_factory.mktemp("saved model")
    info = make_dataset(folder / "dataset", per_class=4)
    make_untrained_bundle(folder / "model", info)
    make_evaluation(folder / "evaluation", folder / "dataset", folder / "model", calibrated=True)
    return folder / "dataset", folder / "model", folder / "evaluation"


def make_untrained_bundle(bundle_dir: Path, info: DatasetInfo) -> None:
    keras.utils.set_random_seed(1)
    layers = ({"Conv2D": {"filters": 4, "kernel_size": 3, "activation": "relu"}}, "GlobalAveragePooling2D")
    params = ModelParams(kind="layers", layers=tuple(map(parse_layer, layers)))
    network = build_network(params, image_size=info.image_size, num_classes=len(CLASS_NAMES), batch_size=8)
    facts = export_network(network, bundle_dir / "export", np.empty((0, *info.image_size, 3), np.uint8))
    network.model.save(bundle_dir / "model.keras")
    write_json(
        bundle_dir / "bundle.json",
        BundleInfo(
            dataset_name=info.name,
            dataset_fingerprint=info.fingerprint,
            source=info.source,
            class_names=info.class_names,
            image_size=info.image_size,
            resize=info.resize,
            params={},
            export=facts,
            library_versions={},
            epochs_run=1,
            best_epoch=1,
            model=ModelFacts(
                kind="layers", name="small", num_parameters=0, num_trained_parameters=0, trained_layers=(), num_layers=2
            ),
        ),
    )


def test_a_saved_model_loads_and_gives_the_calibrated_probabilities(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    assert export_saved_model(*folders, tmp_path / "clothes") < 1e-5
    ask = tf.saved_model.load(tmp_path / "clothes" / "1").signatures["serving_default"]
    photos = open_split(folders[0], "test").gather(np.arange(5))
    answer = ask(pixels=tf.constant(photos))
    logits = InferenceGraph(folders[1] / "export").run(photos).logits
    assert np.allclose(answer["logits"], logits, atol=1e-4)
    assert np.allclose(answer["probabilities"], softmax(logits / 2), atol=1e-5)
    names = json.loads((tmp_path / "clothes" / "1" / "assets.extra" / "class_names.json").read_text())
    assert tuple(names) == CLASS_NAMES


def test_a_saved_model_that_disagrees_with_the_service_is_not_written(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders[1], tmp_path / "model")
    odd = keras.saving.load_model(tmp_path / "model" / "model.keras")
    odd.set_weights([2 * weights for weights in odd.get_weights()])
    odd.save(tmp_path / "model" / "model.keras")
    with pytest.raises(ModelError, match=r"within 0\.0001 of the service's"):
        export_saved_model(folders[0], tmp_path / "model", folders[2], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_int8_model_and_a_folder_that_exists_are_refused(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="new folder"):
        export_saved_model(*folders, tmp_path)
    info = BundleInfo.model_validate_json((folders[1] / "bundle.json").read_bytes())
    int8 = info.model_copy(update={"export": info.export.model_copy(update={"precision": "int8"})})
    write_json(tmp_path / "model" / "bundle.json", int8)
    with pytest.raises(ModelError, match=r"train\.export_precision=float32"):
        export_saved_model(folders[0], tmp_path / "model", folders[2], tmp_path / "out")
