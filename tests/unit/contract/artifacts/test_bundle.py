"""The bundle and its graph: they can be read after they are written, and errors for damaged files say what to do."""

import json
from pathlib import Path

import numpy as np
import pytest

from components.contract.artifacts.bundle import read_bundle, read_train_image_ids, write_train_image_ids
from components.contract.artifacts.dataset import DatasetInfo, open_split
from components.contract.errors import ArtifactError
from components.contract.inference.graph import InferenceGraph
from components.contract.system.atomic_files import write_json
from tests.support.artifacts import make_bundle, make_dataset


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetInfo]:
    """A folder with a data set and a bundle that classifies the photos of the data set."""
    folder = tmp_path_factory.mktemp("made")
    info = make_dataset(folder / "dataset")
    make_bundle(folder / "model", info)
    return folder, info


def copy_of(bundle_dir: Path, target: Path) -> Path:
    import shutil

    return Path(shutil.copytree(bundle_dir, target))


def test_a_bundle_is_read_back_unchanged(artifacts: tuple[Path, DatasetInfo], tmp_path: Path) -> None:
    folder, info = artifacts
    bundle = read_bundle(folder / "model")
    assert (bundle.dataset_name, bundle.dataset_fingerprint) == (info.name, info.fingerprint)
    assert bundle.class_names == info.class_names
    write_json(tmp_path / "bundle.json", bundle)
    assert read_bundle(tmp_path) == bundle


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "format_version: expected 1; found 2"),
        ({"image_size": [16]}, "image_size"),
        ({"classes": []}, "classes: unknown key (did you mean class_names?)"),
        ({"best_epoch": "two"}, 'best_epoch: expected a valid integer; found "two"'),
    ],
)
def test_a_damaged_bundle_or_one_with_a_different_format_version_is_rejected(
    artifacts: tuple[Path, DatasetInfo], tmp_path: Path, change: dict[str, object], message: str
) -> None:
    content = json.loads((artifacts[0] / "model" / "bundle.json").read_text())
    (tmp_path / "bundle.json").write_text(json.dumps(content | change))
    with pytest.raises(ArtifactError) as error:
        read_bundle(tmp_path)
    assert "The model bundle is damaged, or from another version" in str(error.value)
    assert message in str(error.value)


def test_the_error_for_a_missing_bundle_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactError,
        match=r"The model bundle must contain bundle\.json; it is missing in .* Run the step that writes it",
    ):
        read_bundle(tmp_path)


def test_the_ids_of_the_training_photos_are_stored_in_sorted_order(tmp_path: Path) -> None:
    assert read_train_image_ids(tmp_path) is None
    write_train_image_ids(tmp_path, ["c", "a", "b"])
    assert (tmp_path / "train_image_ids.txt").read_text() == "a\nb\nc\n"
    assert read_train_image_ids(tmp_path) == frozenset("abc")


def test_the_graph_of_a_bundle_classifies_the_test_photos(artifacts: tuple[Path, DatasetInfo]) -> None:
    folder, _ = artifacts
    split = open_split(folder / "dataset", "test")
    pixels = split.gather(np.arange(len(split)))
    graph = InferenceGraph(folder / "model" / "export")
    assert set(graph.outputs) == {"logits", "embedding", "feature_map"}
    assert graph.image_size == (16, 16)
    assert np.array_equal(graph.run(pixels).logits.argmax(axis=1), split.labels)


@pytest.mark.parametrize(("name", "size"), [("model.xml", 0), ("model.xml", 300), ("model.bin", 0)])
def test_a_damaged_graph_is_refused(artifacts: tuple[Path, DatasetInfo], tmp_path: Path, name: str, size: int) -> None:
    export_dir = copy_of(artifacts[0] / "model" / "export", tmp_path / "export")
    with (export_dir / name).open("r+b") as file:
        file.truncate(size)
    with pytest.raises(ArtifactError, match="Cannot load the exported graph"):
        InferenceGraph(export_dir)
