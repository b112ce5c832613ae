"""Presets for training, and the separate settings of each data set."""

from pathlib import Path
from typing import Any

import pytest

from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from pipelines.studio.draft import presets
from pipelines.studio.draft.store import check
from tests.support.artifacts import make_photos
from tests.unit.pipelines.studio.conftest import Client


def params(client: Client) -> dict[str, Any]:
    tree: dict[str, Any] = client.studio.draft.read().params
    return tree


@pytest.mark.parametrize("choices", [presets.PRESETS, presets.PRETRAINED_PRESETS], ids=["not_pretrained", "pretrained"])
@pytest.mark.parametrize("index", range(3))
def test_each_preset_is_valid_and_recognized_when_applied(choices: tuple[presets.Preset, ...], index: int) -> None:
    preset = choices[index]
    tree = {"train": {"learning_rate": 0.01, "epochs": 3, "preset": "none"}, "preprocess": {"image_size": 64}}
    result = presets.apply(preset, tree)
    assert check(result) == []
    assert presets.find_preset(result, choices) == preset.name
    assert result["train"]["learning_rate"] == 0.01
    assert tree["train"]["epochs"] == 3, "the original params must not be modified"


def test_the_defaults_match_a_preset_and_custom_values_match_none() -> None:
    assert presets.find_preset({}, presets.PRESETS) == "balanced"
    assert presets.find_preset({"train": {"epochs": 7}}, presets.PRESETS) is None


BACKBONE = ModelParams(kind="pretrained", name="MobileNetV2")
LAYERS = ModelParams(kind="layers", layers=(parse_layer("Flatten"),))


@pytest.mark.parametrize(
    ("train", "model", "expected"),
    [
        ({}, BACKBONE, presets.PRETRAINED_PRESETS),
        ({"preset": "best"}, BACKBONE, presets.PRETRAINED_PRESETS),
        ({"phases": "auto", "trainable": "auto"}, BACKBONE, presets.PRETRAINED_PRESETS),
        ({"phases": [{"epochs": 2}]}, BACKBONE, presets.PRESETS),
        ({"trainable": "all"}, BACKBONE, presets.PRESETS),
        ({}, BACKBONE.model_copy(update={"weights": "none"}), presets.PRESETS),
        ({}, LAYERS, presets.PRESETS),
        ({}, ModelParams(from_="champion"), presets.PRESETS),
        ({}, None, presets.PRESETS),
        ({"preset": "best"}, None, presets.PRETRAINED_PRESETS),
    ],
)
def test_pretrained_presets_are_only_for_pretrained_networks_whose_phases_and_trainable_layers_are_auto(
    train: dict[str, Any], model: ModelParams | None, expected: tuple[presets.Preset, ...]
) -> None:
    assert presets.list_presets({"train": train}, model) is expected


@pytest.mark.parametrize("name", ["quick", "thorough"])
def test_a_preset_is_replaced_by_its_equivalent_if_the_network_changes(client: Client, photos: Path, name: str) -> None:
    client.choose(photos)
    network = {"layers": ["Flatten"]}
    client.post("/api/draft", {"revision": client.revision, "set": {"train.model": {"name": "MobileNetV2"}}})
    pretrained, own = (
        next(preset.values for preset in choices if preset.name == name)
        for choices in (presets.PRETRAINED_PRESETS, presets.PRESETS)
    )
    client.post("/api/draft", {"revision": client.revision, "set": {"train.preset": pretrained["train.preset"]}})
    assert client.get("/api/presets").json()["chosen"] == name
    client.post("/api/draft", {"revision": client.revision, "set": {"train.model": network}})
    assert "preset" not in params(client)["train"]
    assert params(client)["train"]["epochs"] == own["train.epochs"]
    assert client.get("/api/presets").json()["chosen"] == name
    answer = client.post("/api/draft", {"revision": client.revision, "set": {"train.model": {"name": "MobileNetV2"}}})
    assert answer.json()["params"]["train"] == {"model": {"name": "MobileNetV2"}, "preset": pretrained["train.preset"]}
    assert answer.json()["ready"]


def test_presets_have_time_estimates_once_data_is_chosen(client: Client, photos: Path) -> None:
    assert [preset["estimate"] for preset in client.get("/api/presets?times=yes").json()["presets"]] == [None] * 3
    client.choose(photos)
    answer = client.get("/api/presets?times=yes").json()
    assert answer["chosen"] == "balanced"
    quick, balanced, thorough = (preset["estimate"]["high"] for preset in answer["presets"])
    assert quick < balanced < thorough


def test_each_data_set_has_its_own_settings(client: Client, photos: Path, tmp_path: Path) -> None:
    other = make_photos(tmp_path / "other", per_class=4)
    client.post("/api/draft", {"revision": 0, "set": {"train.epochs": 7}})
    client.choose(photos)
    assert params(client)["train"]["epochs"] == 7, "values set before photos are chosen must be kept"
    client.choose(other)
    assert "train" not in params(client)
    client.post("/api/draft", {"revision": client.revision, "set": {"train.epochs": 9}})
    client.choose(photos)
    assert params(client)["train"]["epochs"] == 7
    client.choose(other)
    assert params(client)["train"]["epochs"] == 9


def test_a_version_inherits_the_settings_of_its_data(client: Client, photos: Path) -> None:
    client.choose(photos)
    client.post("/api/draft", {"revision": client.revision, "set": {"train.epochs": 7}})
    client.post("/api/data/snapshot", {"revision": client.revision})
    assert params(client)["train"]["epochs"] == 7


@pytest.mark.parametrize("key", ["weights", "path"])
def test_a_missing_model_file_is_reported_at_once(client: Client, tmp_path: Path, key: str) -> None:
    model = (
        {"path": str(tmp_path / "none.keras")}
        if key == "path"
        else {"name": "VGG16", "weights": str(tmp_path / "x.h5")}
    )
    answer = client.post("/api/draft", {"revision": 0, "set": {"train.model": model}}).json()
    (fault,) = answer["faults"]
    assert fault["where"] == f"train.model.{key}"
    assert "there is nothing at" in fault["what"]
    Path(model[key]).write_bytes(b"weights")
    assert client.get("/api/draft").json()["faults"] == []
