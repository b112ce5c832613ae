"""Attention and augmentation layers: each argument is checked, and shapes and weight counts equal those of Keras."""

from typing import Any

import pytest

from components.contract.errors import UploadError
from components.contract.layers.attention import ATTENTION
from components.contract.layers.augmentation import AUGMENTATION
from components.train.keras_import.description.allow_list import sweep
from components.train.keras_import.description.network import read_graph
from components.train.keras_import.limits import Limits
from components.train.keras_import.sizes import Sizes, measure
from tests.cases.hostile_models.files import called_on_tokens, layer, network

REQUIRED: dict[str, Any] = {
    "factor": 1,
    "height": 4,
    "width": 4,
    "height_factor": 0.1,
    "width_factor": 0.1,
    "num_heads": 2,
    "key_dim": 5,
    "head_dim": 5,
    "num_query_heads": 4,
    "num_key_value_heads": 2,
}
FUNCTION = {"class_name": "__lambda__", "config": {"code": "4wEA", "defaults": None, "closure": None}}
KINDS = AUGMENTATION | ATTENTION


def make_layer(kind: str, *names: str, **arguments: Any) -> dict[str, Any]:
    required = {name: REQUIRED[name] for name in KINDS[kind].required}
    names = names or ("tokens", "tokens")
    if kind in AUGMENTATION:
        return layer(kind, "new", "input", **required | arguments)
    if KINDS[kind].spreads:
        return called_on_tokens(layer(kind, "new", None, **required | arguments), *names)
    return layer(kind, "new", list(names), **required | arguments)


def measure_layer(new: dict[str, Any]) -> Sizes:
    tokens = layer("Reshape", "tokens", "input", target_shape=[16, 12])
    others = layer("Reshape", "others", "input", target_shape=[24, 8])
    tree = network(tokens, others, new, last="new")
    sweep(tree, "config.json")
    return measure(read_graph(tree, "config.json", Limits(), keras_version="3.15.1"), Limits())


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_accepted_with_its_required_arguments(kind: str) -> None:
    assert measure_layer(make_layer(kind)).layer_shapes["new"]


@pytest.mark.parametrize(
    ("kind", "argument"), [(kind, argument) for kind in KINDS for argument in KINDS[kind].arguments]
)
@pytest.mark.parametrize("value", [FUNCTION, {"class_name": "Evil", "config": {}}, "os.system", {}, [[]], 1e308])
def test_no_argument_accepts_code_or_an_invalid_value(kind: str, argument: str, value: Any) -> None:
    """Sets each argument in turn to a function, an object, a name or an impossible value."""
    if argument.endswith(("_initializer", "_regularizer")) and value == {}:
        pytest.skip("an empty object is valid: Keras writes it if there is no initializer or regularizer")
    with pytest.raises(UploadError):
        measure_layer(make_layer(kind, **{argument: value}))


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_argument_is_rejected(kind: str) -> None:
    with pytest.raises(UploadError, match="unknown argument"):
        measure_layer(make_layer(kind, call_fn="os.system"))


@pytest.mark.parametrize(
    ("kind", "names", "arguments", "shape", "num_weights"),
    [
        ("MultiHeadAttention", ("tokens", "tokens"), {}, (16, 12), 3 * (12 * 10 + 10) + 10 * 12 + 12),
        ("MultiHeadAttention", ("tokens", "others"), {"use_bias": False}, (16, 12), 12 * 10 + 2 * 8 * 10 + 10 * 12),
        ("MultiHeadAttention", ("tokens", "others"), {"value_dim": 3, "output_shape": 7}, (16, 7), 130 + 90 + 54 + 49),
        ("MultiHeadAttention", ("tokens", "others", "others"), {"output_shape": [7]}, (16, 7), 130 + 180 + 77),
        ("MultiHeadAttention", ("input", "input"), {}, (8, 8, 3), 3 * (3 * 10 + 10) + 10 * 3 + 3),
        (
            "GroupQueryAttention",
            ("tokens", "others"),
            {},
            (16, 12),
            (12 * 20 + 20) + 2 * (8 * 10 + 10) + 20 * 12 + 12,
        ),
        ("Attention", ("tokens", "tokens"), {}, (16, 12), 0),
        ("Attention", ("tokens", "tokens", "tokens"), {"use_scale": True, "score_mode": "concat"}, (16, 12), 2),
        ("AdditiveAttention", ("tokens", "tokens"), {}, (16, 12), 12),
        ("AdditiveAttention", ("tokens", "tokens"), {"use_scale": False}, (16, 12), 0),
    ],
)
def test_shapes_and_weights_of_attention_agree_with_keras(
    kind: str, names: tuple[str, ...], arguments: dict[str, Any], shape: tuple[int, ...], num_weights: int
) -> None:
    sizes = measure_layer(make_layer(kind, *names, **arguments))
    assert sizes.layer_shapes["new"] == shape
    num_values = 1
    for side in shape:
        num_values *= side
    assert sizes.num_parameters - (3 * num_values + 3) == num_weights


@pytest.mark.parametrize(
    ("kind", "names", "arguments", "reason"),
    [
        ("MultiHeadAttention", ("tokens", "others", "tokens"), {}, "have different numbers of positions"),
        ("MultiHeadAttention", ("tokens", "input"), {}, "tensors of positions × channels"),
        ("MultiHeadAttention", ("tokens",), {}, "query, a value and optionally a key"),
        ("MultiHeadAttention", ("tokens",) * 4, {}, "query, a value and optionally a key"),
        ("MultiHeadAttention", ("tokens", "tokens"), {"attention_axes": [2]}, "must attend over all positions"),
        ("MultiHeadAttention", ("tokens", "tokens"), {"num_heads": 0}, "from 1 to 4,096"),
        ("MultiHeadAttention", ("tokens", "tokens"), {"output_shape": [7, 7]}, "a list of 1 value"),
        ("GroupQueryAttention", ("tokens", "tokens"), {"num_key_value_heads": 3}, "must divide"),
        ("Attention", ("tokens", "others"), {}, "with equal numbers of channels"),
        ("Attention", ("tokens",) * 4, {}, "the number of its inputs is 4"),
    ],
)
def test_invalid_attention_is_rejected(
    kind: str, names: tuple[str, ...], arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UploadError, match=reason):
        measure_layer(make_layer(kind, *names, **arguments))


@pytest.mark.parametrize(
    ("keywords", "accepted"),
    [
        ({}, True),
        ({"use_causal_mask": False, "return_attention_scores": False, "attention_mask": None}, True),
        ({"use_causal_mask": True}, False),
        ({"return_attention_scores": True}, False),
        ({"attention_mask": [[True]]}, False),
        ({"value": "input"}, False),
        ({"query": FUNCTION}, False),
        ({"training": "yes"}, False),
    ],
)
def test_an_attention_call_may_pass_only_tensors_and_defaults(keywords: dict[str, Any], accepted: bool) -> None:
    new = make_layer("MultiHeadAttention")
    new["inbound_nodes"][0]["kwargs"] = keywords
    if accepted:
        assert measure_layer(new).layer_shapes["new"] == (16, 12)
    else:
        with pytest.raises(UploadError):
            measure_layer(new)


def test_attention_can_be_called_with_keyword_arguments() -> None:
    new = make_layer("MultiHeadAttention", "tokens", "others")
    query, value = new["inbound_nodes"][0]["args"]
    new["inbound_nodes"] = [{"args": [], "kwargs": {"key": value, "value": value, "query": query}}]
    assert measure_layer(new).weights[("new",)]["key/kernel"] == (8, 2, 5)
    new["inbound_nodes"] = [[["tokens", 0, 0, {"value": ["others", 0, 0]}]]]  # Keras 2
    assert measure_layer(new).weights[("new",)]["value/kernel"] == (8, 2, 5)


def test_every_keras_layer_is_accepted_or_rejected_with_a_reason() -> None:
    """Compares Darkroom's lists with the names in Keras' module, so that new layers in Keras are noticed."""
    import ast
    from importlib.util import find_spec
    from pathlib import Path

    from components.contract.layers import catalog
    from components.train.keras_import.description import allow_list

    spec = find_spec("keras")
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse((Path(spec.origin).parent / "layers" / "__init__.py").read_text())
    classes = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    layers = {name for name in classes if name[0].isupper()} - {"Input", "InputSpec", "Layer", "Wrapper"}
    layers -= {"GroupedQueryAttention"}  # its name in a file is GroupQueryAttention
    unnamed = layers - set(catalog.KINDS)
    has_reason = {name: "Darkroom does not know it" not in str(allow_list.refusal(name, "x")) for name in layers}
    assert {name for name in unnamed if not has_reason[name]} == set()
    assert {name for name in layers - unnamed if has_reason[name]} == set(), (
        "allow_list.py must not give a reason to refuse a supported layer"
    )
