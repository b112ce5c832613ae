"""Which names the description of a network may contain; tested on the description alone, without a file."""

from typing import Any

import pytest

from components.contract.errors import UploadError
from components.train.keras_import.description.allow_list import sweep
from tests.cases.hostile_models.files import layer, network


def description(**words: Any) -> dict[str, Any]:
    """The description of a network with an additional layer, in which `words` replace or add values."""
    return network({**layer("Dense", "extra", "input", units=3), **words}, last="extra")


@pytest.mark.parametrize("registered_name", [None, "Dense"])
@pytest.mark.parametrize("module", [None, "keras", "keras.layers", "keras.src.layers.core.dense", "tf_keras.layers"])
def test_names_from_keras_are_accepted(registered_name: str | None, module: str | None) -> None:
    sweep(description(registered_name=registered_name, module=module), "config.json")


@pytest.mark.parametrize("class_name", ["LayerScale", "StochasticDepth"])
@pytest.mark.parametrize("package", ["", "keras>", "Custom>", "keras.applications.convnext>"])
def test_registered_layers_of_keras_applications_are_accepted(class_name: str, package: str) -> None:
    sweep(description(class_name=class_name, registered_name=f"{package}{class_name}"), "config.json")


@pytest.mark.parametrize(
    "registered_name",
    [
        "Custom>Dense",
        "keras>Dense",
        "evil>Dense",
        ">Dense",
        "Dense>",
        "Dense2",
        "dense",
        "Dens",
        "Flatten",
        "",
        " Dense",
        "Dense\n",
        "LayerScale",
        "evil>LayerScale",
        ["Dense"],
        {"class_name": "Dense"},
        True,
        0,
        1.5,
    ],
)
def test_an_unknown_registered_name_is_rejected(registered_name: Any) -> None:
    with pytest.raises(UploadError, match=r"registered as|is evil|Darkroom does not know"):
        sweep(description(registered_name=registered_name), "config.json")


@pytest.mark.parametrize("registered_name", ["LayerScale2", "evil>LayerScale2", "evilLayerScale", "LayerScale>evil"])
def test_a_known_layer_with_an_unknown_registered_name_is_rejected(registered_name: str) -> None:
    with pytest.raises(UploadError, match="registered as"):
        sweep(description(class_name="LayerScale", registered_name=registered_name), "config.json")


@pytest.mark.parametrize("module", ["os", "kerass", "keras_evil.layers", "evil.keras", "", " keras", ["keras"], 0, {}])
def test_an_unknown_module_is_rejected(module: Any) -> None:
    with pytest.raises(UploadError, match="from the module"):
        sweep(description(module=module), "config.json")


@pytest.mark.parametrize("place", ["config", "build_config", "compile_config", "anything"])
@pytest.mark.parametrize("words", [{"registered_name": "evil>Dense"}, {"module": "os"}, {"class_name": "Evil"}])
def test_an_unknown_name_is_found_anywhere_in_a_description(place: str, words: dict[str, str]) -> None:
    tree = description()
    hidden = {"class_name": "Dense", "module": "keras.layers", "registered_name": None, "config": {}} | words
    tree["config"]["layers"][1].setdefault(place, {})["deep"] = [[{"deeper": hidden}]]
    with pytest.raises(UploadError, match=r"never runs code from an upload|whose code Darkroom does not run"):
        sweep(tree, "config.json")
