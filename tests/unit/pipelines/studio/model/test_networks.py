"""Custom networks, checked while they are edited."""

import pytest

from components.contract.layers.stack import parse_layer, trace
from components.contract.params.training import TrainParams
from pipelines.studio.model.layer_forms import describe_layers
from pipelines.studio.model.network_templates import TEMPLATES
from pipelines.studio.model.networks import inspect_network


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: str(template["name"]))
@pytest.mark.parametrize("side", [8, 28, 128])
def test_every_template_can_be_built(template: dict[str, list[object]], side: int) -> None:
    view = inspect_network(template["layers"], (side, side), 10, 32)
    assert view.fault is None
    assert view.drawing is not None
    assert view.drawing.count("<rect") == len(template["layers"]) + 3, (
        "layers, background, photo and output must be drawn"
    )
    TrainParams.model_validate({"model": {"layers": tuple(map(parse_layer, template["layers"]))}})


def test_shapes_and_sizes_match_the_traced_layers() -> None:
    layers = [{"Conv2D": {"filters": 8, "kernel_size": 3}}, "MaxPooling2D", "Flatten"]
    view = inspect_network(layers, (16, 16), 3, 4)
    traced = trace(tuple(map(parse_layer, layers)), (16, 16, 3))
    assert [layer.gives for layer in view.layers] == ["14 × 14 × 8", "7 × 7 × 8", "392"]
    assert view.num_parameters == sum(node.num_parameters for node in traced) + 392 * 3 + 3
    assert view.weights_bytes == 4 * view.num_parameters


@pytest.mark.parametrize(
    ("layers", "position", "words"),
    [
        (["MaxPooling2D", {"Conv2D": {"filters": 4, "kernel_size": 9}}, "Flatten"], 1, "window of 9"),
        (["Flatten", "MaxPooling2D"], 1, "height × width × channels"),
        ([{"Dense": {"units": 4}}], 0, "flat vector"),
        (["MaxPooling2D"], 0, "must end in a flat vector"),
        (["Flatten", {"Dense": {"units": 0}}], 1, "units"),
        (["Flatten", {"Denze": {"units": 3}}], 1, "did you mean Dense"),
        ([{"Add": {"with": "nowhere"}}, "Flatten"], 0, "nowhere"),
        (["Flatten", 7], 1, "expected one layer"),
        ([{"Lambda": {"function": "x"}}], 0, "unknown layer Lambda"),
    ],
)
def test_the_invalid_layer_is_marked(layers: list[object], position: int, words: str) -> None:
    view = inspect_network(layers, (8, 8), 3, 32)
    assert view.position == position
    assert words in str(view.layers[position].fault)
    assert view.fault == view.layers[position].fault
    assert view.drawing is None
    shapes = [layer.gives for layer in view.layers[:position]]
    assert all(shapes), "the output shapes of the layers before the invalid one must be shown"


def test_every_layer_has_help_and_arguments_of_known_kinds() -> None:
    for layer in describe_layers():
        assert layer["help"], layer["kind"]
        for argument in layer["arguments"]:
            assert argument["kind"] in (
                "integer",
                "number",
                "boolean",
                "choice",
                "list",
                "pair",
                "names",
                "string",
                "regularizer",
            ), (layer["kind"], argument)
