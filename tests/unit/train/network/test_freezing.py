"""Which layers a phase trains, and where the freeze boundary is."""

from collections.abc import Sequence

import keras
import numpy as np
import pytest

from components.contract.errors import ModelError
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.params.training import Phase
from components.train.network.architecture import Network, build_network
from components.train.network.freezing import frozen_part, learning_part, plan_training, rate_scales, select

BLOCKS = (
    *(f"block_{block}_{layer}" for block in range(10, 17) for layer in ("expand", "depthwise", "project")),
    "Conv_1",
    "logits",
)
LAST_LAYERS = ("block_16_project", "block_16_project_BN", "Conv_1", "Conv_1_bn", "logits")


@pytest.fixture(scope="module")
def network() -> Network:
    head = (parse_layer("GlobalAveragePooling2D"), parse_layer({"Dropout": {"rate": 0.1}}))
    params = ModelParams(kind="pretrained", name="MobileNetV2", weights="none", head=head)
    return build_network(params, image_size=(32, 32), num_classes=3, batch_size=8)


@pytest.fixture(scope="module")
def own() -> Network:
    layers = tuple(map(parse_layer, [{"Conv2D": {"filters": 2, "kernel_size": 3}}, "BatchNormalization", "Flatten"]))
    return build_network(ModelParams(kind="layers", layers=layers), image_size=(8, 8), num_classes=3, batch_size=8)


@pytest.mark.parametrize(
    ("trainable", "trained", "boundary", "after"),
    [
        ("head", ("logits",), (1280,), "global_average_pooling2d_1"),
        ("last 1", ("logits",), (1280,), "global_average_pooling2d_1"),
        ("last 3", ("Conv_1", "logits"), (1, 1, 320), "block_16_project_BN"),
        ("from Conv_1", ("Conv_1", "logits"), (1, 1, 320), "block_16_project_BN"),
        (("Conv_1*",), ("Conv_1", "logits"), (1, 1, 320), "block_16_project_BN"),
        (
            ("block_16_project", "Conv_1"),
            ("block_16_project", "Conv_1", "logits"),
            (1, 1, 960),
            "block_16_depthwise_relu",
        ),
        ("blocks", BLOCKS, (2, 2, 64), "block_9_add"),
        ("blocks 50%", BLOCKS, (2, 2, 64), "block_9_add"),
        ("blocks 1%", ("Conv_1", "logits"), (1, 1, 320), "block_16_project_BN"),
        ("blocks 33%", BLOCKS[BLOCKS.index("block_13_expand") :], (2, 2, 96), "block_12_add"),
        ("none", (), (1280,), "global_average_pooling2d_1"),
    ],
)
def test_a_selection_trains_the_named_layers_and_freezes_earlier_ones(
    network: Network, trainable: str | tuple[str, ...], trained: tuple[str, ...], boundary: tuple[int, ...], after: str
) -> None:
    selection = select(network, Phase(trainable=trainable))
    assert selection.trained == trained
    assert {layer.name for layer in network.model.layers if layer.trainable_weights} == set(trained)
    assert selection.boundary is not None
    assert (selection.boundary.shape[1:], selection.boundary_name) == (boundary, after)
    assert len(selection.trained) + len(selection.frozen) == sum(bool(layer.weights) for layer in network.model.layers)


def test_batch_normalization_of_a_backbone_is_trained_only_on_request(network: Network) -> None:
    frozen_statistics = select(network, Phase(trainable="last 5"))
    assert frozen_statistics.trained == tuple(name for name in LAST_LAYERS if not name.endswith(("BN", "bn")))
    assert select(network, Phase(trainable="last 5", train_batch_norm=True)).trained == LAST_LAYERS
    assert select(network, Phase(trainable="all", train_batch_norm=True)).frozen == ()


def test_the_boundary_is_never_inside_a_residual_block(network: Network) -> None:
    """block_15 adds its input to its output, so no single tensor inside it suffices to compute the later layers."""
    selection = select(network, Phase(trainable="from block_15_project"))
    assert selection.boundary_name == "block_14_add"


def test_nothing_is_frozen_if_everything_is_trained(network: Network, own: Network) -> None:
    assert select(network, Phase(trainable="all")).boundary is None
    selection = select(own, Phase(trainable="all"))
    assert selection.boundary is None
    assert selection.trained == ("conv2d_1", "batch_normalization_1", "logits"), "normalization must be trained too"


def test_the_head_of_a_custom_network_is_its_output_layer(own: Network) -> None:
    selection = select(own, Phase(trainable="head"))
    assert selection.trained == ("logits",)
    assert selection.boundary_name == "flatten_1", "a custom network must have a frozen part too"


def test_the_boundary_of_a_custom_network_precedes_layers_that_are_random_in_training() -> None:
    kinds = ({"Conv2D": {"filters": 2, "kernel_size": 3}}, {"Dropout": {"rate": 0.5}}, "Flatten")
    params = ModelParams(kind="layers", layers=tuple(map(parse_layer, kinds)))
    network = build_network(params, image_size=(8, 8), num_classes=3, batch_size=8)
    assert select(network, Phase(trainable="head")).boundary_name == "conv2d_1"


@pytest.mark.parametrize("trainable", ["head", "from block_13_expand", "from block_15_project", "last 9"])
def test_the_parts_before_and_after_the_boundary_equal_the_whole_network(network: Network, trainable: str) -> None:
    selection = select(network, Phase(trainable=trainable))
    assert selection.boundary is not None
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    learning = learning_part(network, selection.boundary)
    features = frozen_part(network, selection.boundary)(pixels, training=False)
    parts = np.asarray(learning(features, training=False))
    assert np.allclose(parts, np.asarray(network.model(pixels, training=False)), atol=1e-5)
    assert learning.get_layer("logits") is network.model.get_layer("logits")
    trainable_weights = {weight.path for weight in network.model.trainable_weights}
    assert {weight.path for weight in learning.trainable_weights} == trainable_weights


@pytest.mark.parametrize(
    ("trainable", "message"),
    [
        ("from block_13_expanded", "no layer is called 'block_13_expanded' (did you mean block_13_expand?)"),
        (("blok4_*",), "no layer is called 'blok4_*'"),
        ("last 900", "last 900 exceeds the number of layers with weights, which is 105"),
    ],
)
def test_selections_of_layers_that_do_not_exist_are_rejected(
    network: Network, trainable: str | tuple[str, ...], message: str
) -> None:
    with pytest.raises(ModelError) as error:
        plan_training(network, [Phase(trainable="head"), Phase(trainable=trainable)])
    assert message in str(error.value)


def test_a_plan_contains_every_layer_that_any_phase_trains(network: Network) -> None:
    training_plan = plan_training(network, [Phase(trainable="head"), Phase(trainable="from Conv_1")])
    assert training_plan.layers == ("Conv_1", "logits")
    assert training_plan.num_parameters == 320 * 1280 + 1280 * 3 + 3


def test_earlier_layers_get_a_lower_learning_rate(network: Network) -> None:
    phase = Phase(trainable=("block_16_project", "Conv_1"), layer_decay=0.5)
    scales = rate_scales(network, select(network, phase), phase.layer_decay)
    assert by_layer(scales, ["block_16_project", "Conv_1", "logits"]) == [0.25, 0.5, 1.0]


def by_layer(scales: dict[str, float], names: Sequence[str]) -> list[float]:
    return [next(scale for path, scale in scales.items() if path.startswith(f"{name}/")) for name in names]


def test_layers_of_a_submodel_are_addressed_with_its_name_as_a_prefix() -> None:
    inner = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name="eye")], name="inner")
    pixels = keras.Input((8, 8, 3), dtype="uint8", name="pixels")
    scaled = keras.layers.Rescaling(1 / 255)(pixels)
    features = inner(scaled)
    base = keras.Model(pixels, features)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    model = keras.Model(pixels, keras.layers.Dense(3, name="logits")(pooled))
    network = Network(model=model, embedding=pooled, feature_map=features, backbone=base)
    assert select(network, Phase(trainable=("inner/eye",))).trained == ("inner/eye", "logits")
    frozen = select(network, Phase(trainable="head"))
    assert frozen.frozen == ("inner/eye",)
    assert frozen.boundary is not None
    assert frozen.boundary.shape == (None, 2)


@pytest.mark.parametrize("name", ["MobileNetV3Small", "EfficientNetB0"])
def test_operations_that_are_not_layers_are_frozen_with_their_backbone(name: str) -> None:
    params = ModelParams(kind="pretrained", name=name, weights="none", head=(parse_layer("GlobalAveragePooling2D"),))
    network = build_network(params, image_size=(32, 32), num_classes=3, batch_size=8)
    assert select(network, Phase(trainable="head")).boundary_name == "global_average_pooling2d_1"
