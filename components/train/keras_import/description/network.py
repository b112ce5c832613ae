"""Parses a model's description into a `Graph`.

Keras 2 and Keras 3 store a network differently; both become the same graph. A Sequential model becomes a chain, and
arithmetic with numbers, as in `x / 255`, becomes a Rescaling layer.
"""

from dataclasses import replace
from typing import Any, Final

from components.contract.errors import UploadError
from components.contract.layers import checks as check
from components.contract.layers.arguments import policy as parse_policy
from components.contract.layers.catalog import KINDS
from components.contract.layers.checks import DROPPED
from components.train.keras_import.description.allow_list import LEGACY_KINDS, MODELS, refusal
from components.train.keras_import.description.operations import as_layer
from components.train.keras_import.description.references import (
    check_references,
    count_calls_from_zero,
    find_operands,
    parse_endpoints,
    parse_reference,
)
from components.train.keras_import.graph import Call, Graph, Layer, refused
from components.train.keras_import.limits import Limits

MAX_NESTING: Final = 8
_MAX_NAME: Final = 200
_COMMON: Final = {"name", "trainable", "dtype"}
_INPUT_DTYPES: Final = ("float32", "float16", "bfloat16", "uint8", "int32", "int64")
_LEGACY_NAMES: Final = {("LeakyReLU", "alpha"): "negative_slope", ("Normalization", "axis"): "axis"}
_CHANGED_ACTIVATIONS: Final = {"hard_sigmoid": "Keras 2 computed it differently from Keras 3"}


def read_graph(tree: dict[str, Any], where: str, limits: Limits, *, keras_version: str) -> Graph:
    """Parses the network of a description that has passed `allow_list.sweep`.

    Args:
        tree: the JSON.
        where: the name of the file, for error messages.
        limits: the limits on the upload, such as the number of layers.
        keras_version: the version of Keras that saved the file.

    Raises:
        UploadError: the network is not a Functional or Sequential model, or a value is invalid; the message names the
            place.
    """
    return _Reader(limits, keras_version.startswith(("1", "2"))).model(tree, where, 0)


class _Reader:
    """Parses models and counts their layers."""

    def __init__(self, limits: Limits, is_legacy: bool):
        self._limits = limits
        self._layers_left = limits.max_layers
        self._is_legacy = is_legacy

    def model(self, tree: dict[str, Any], where: str, depth: int) -> Graph:
        class_name, config = tree.get("class_name"), tree.get("config")
        if class_name not in MODELS:
            raise UploadError(
                f"An uploaded model must be a Functional or Sequential Keras model; {where} is "
                f"{str(class_name)[:80]!r}. Rebuild it as one and save it again."
            )
        if depth > MAX_NESTING:
            raise refused(where, f"models are nested more than {MAX_NESTING} levels deep")
        if not isinstance(config, dict) or not isinstance(config.get("layers"), list) or not config["layers"]:
            raise refused(where, "it has no list of layers")
        where = f"{where}.config.layers"
        self._layers_left -= len(config["layers"])
        if self._layers_left < 0:
            raise UploadError(
                f"An uploaded model must have at most {self._limits.max_layers:,} layers; with {where}, it "
                "has more. Use a smaller model."
            )
        if class_name == "Sequential":
            return self._chain(config, where, depth)
        return self._functional(config, where, depth)

    def _functional(self, config: dict[str, Any], where: str, depth: int) -> Graph:
        layers: dict[str, Layer] = {}
        for place, node in enumerate(config["layers"]):
            layer = self._layer(node, f"{where}[{place}]", depth)
            if layer.name in layers:
                raise refused(f"{where}[{place}]", f"the name {layer.name!r} occurs twice")
            layers[layer.name] = layer
        layers = count_calls_from_zero(layers)
        inputs = parse_endpoints(config.get("input_layers"), f"{where}: input_layers")
        outputs = parse_endpoints(config.get("output_layers"), f"{where}: output_layers")
        if len(inputs) != 1 or len(outputs) != 1:
            raise UploadError(
                f"An uploaded model must have one input and one output; in {where}, found {len(inputs)} and "
                f"{len(outputs)}. Save a model with one of each."
            )
        (input_name, _), (output_name, output_call) = inputs[0], outputs[0]
        if input_name not in layers or layers[input_name].kind != "InputLayer" or output_name not in layers:
            raise refused(where, f"{input_name!r} or {output_name!r} is not one of its layers")
        last = layers[output_name]
        # Keras counts the creation of a Functional model, and sometimes of a Sequential model, as its call 0.
        if last.model is not None and (last.class_name != "Sequential" or output_call >= len(last.calls)):
            output_call = max(0, output_call - 1)
        check_references(layers, input_name, (output_name, output_call), where)
        start = layers[input_name]
        return Graph(
            _name(config, where),
            tuple(layers.values()),
            input_name,
            start.arguments["shape"],
            start.arguments["dtype"],
            (output_name, output_call),
            _trainable(config, where),
        )

    def _chain(self, config: dict[str, Any], where: str, depth: int) -> Graph:
        nodes = config["layers"]
        layers = [self._layer(node, f"{where}[{place}]", depth) for place, node in enumerate(nodes)]
        if layers[0].kind == "InputLayer":
            start, *layers = layers
        else:
            first = nodes[0].get("config") if isinstance(nodes[0].get("config"), dict) else {}
            shape = first.get("batch_shape") or first.get("batch_input_shape") or config.get("build_input_shape")
            arguments = {"shape": _input_shape(shape, f"{where}[0]") if shape is not None else None, "dtype": "float32"}
            start = Layer(
                "input_of_the_chain", "input_of_the_chain", "InputLayer", arguments, True, None, (), "InputLayer"
            )
        chain, before = [start], start.name
        for place, layer in enumerate(layers):
            if layer.name in {other.name for other in chain} or _stands_alone(layer):
                raise refused(f"{where}[{place}]", f"{layer.name!r} is not allowed in a Sequential model")
            chain.append(replace(layer, calls=(Call(((before, 0),)),)))
            before = layer.name
        return Graph(
            _name(config, where),
            tuple(chain),
            start.name,
            start.arguments["shape"],
            start.arguments["dtype"],
            (before, 0),
            _trainable(config, where),
        )

    def _layer(self, node: Any, where: str, depth: int) -> Layer:
        if not isinstance(node, dict) or not isinstance(node.get("config"), dict):
            raise refused(where, "it is not a layer")
        kind, config = node.get("class_name"), node["config"]
        kind = LEGACY_KINDS.get(kind, kind) if isinstance(kind, str) else kind
        name = _name({"name": node.get("name") or config.get("name")}, where)
        where = f"{where} ({kind} {name!r})"
        common: dict[str, Any] = {
            "name": name.replace("/", "_"),
            "stored_name": name,
            "trainable": _trainable(config, where),
            "class_name": str(kind),
        }
        inbound = node.get("inbound_nodes") or []
        if not isinstance(inbound, list):
            raise refused(where, "its inbound_nodes are not a list")
        if kind in MODELS:
            calls = tuple(self._call(call, where) for call in inbound)
            graph = self.model(node, where, depth + 1)
            return Layer(
                **common | {"trainable": graph.trainable},
                kind="Model",
                arguments={},
                policy=None,
                calls=calls,
                model=graph,
            )
        if operation := as_layer(kind, config, inbound):
            own_kind, arguments, operands = operation
            calls = (Call(tuple(parse_reference(operand, where) for operand in operands)),)
            return Layer(**common, kind=own_kind, arguments=arguments, policy=None, calls=calls)
        if kind not in KINDS:
            raise refusal(kind, where, node.get("module"))
        policy, arguments = self._arguments(kind, config, where)
        calls = () if kind == "InputLayer" else tuple(self._call(call, where, KINDS[kind].spreads) for call in inbound)
        for call in calls:
            if KINDS[kind].merges != (len(call.inputs) > 1):
                raise refused(where, f"the number of tensors in its call is {len(call.inputs)}, which is invalid")
        return Layer(**common, kind=str(kind), arguments=arguments, policy=policy, calls=calls)

    def _arguments(self, kind: str, config: dict[str, Any], where: str) -> tuple[str | None, dict[str, Any]]:
        if kind == "InputLayer":
            shape = config.get("batch_shape") or config.get("batch_input_shape")
            if config.get("sparse") or config.get("ragged"):
                raise refused(where, "its input is sparse or ragged")
            try:
                dtype = check.choice(None, *_INPUT_DTYPES)(_dtype_name(config.get("dtype"))) or "float32"
            except ValueError as error:
                raise refused(where, f"dtype: {error}") from None
            return None, {"shape": _input_shape(shape, where), "dtype": dtype}
        checks = KINDS[kind].arguments
        arguments: dict[str, Any] = {}
        try:
            policy = parse_policy(config.get("dtype"))
        except ValueError as error:
            raise refused(where, f"dtype: {error}") from None
        for key, value in config.items():
            if key in _COMMON or key in ("batch_input_shape", "batch_shape"):
                continue
            own_key = _LEGACY_NAMES.get((kind, key), key)
            if own_key not in checks:
                if value is None:  # an argument of a newer version; None disables it
                    continue
                raise refused(where, f"it has the unknown argument {key[:60]!r} = {str(value)[:60]!r}")
            try:
                clean = checks[own_key](value)
            except ValueError as error:
                hint = "; Darkroom's photos are height × width × channels" if value == "channels_first" else ""
                raise refused(where, f"{key}: {error}{hint}") from None
            if self._is_legacy and own_key == "activation" and clean in _CHANGED_ACTIVATIONS:
                raise refused(where, f"{key}: {clean}: {_CHANGED_ACTIVATIONS[clean]}, so its predictions would change")
            if clean is not DROPPED:
                arguments[own_key] = clean
        if missing := [key for key in KINDS[kind].required if arguments.get(key) is None]:
            raise refused(where, f"it lacks the argument {missing[0]}")
        return policy, arguments

    def _call(self, node: Any, where: str, spreads: bool = False) -> Call:
        """Parses a call. Keras 3: {"args": [tensors], "kwargs": {…}}; Keras 2: [[layer, call, tensor, {…}], …].

        If a layer takes its inputs as separate arguments (`spreads`), they are in "args" one by one, or in "kwargs".
        """
        if isinstance(node, dict):
            arguments, keywords = node.get("args"), node.get("kwargs", {})
            if not isinstance(arguments, list) or not isinstance(keywords, dict):
                raise refused(where, "one of its calls has an unknown form")
            if spreads:
                tensors = arguments
            elif not arguments or any(item is not None for item in arguments[1:]):
                raise refused(where, "it is called with something other than tensors")
            else:
                tensors = check.plain_list(arguments[0])
                tensors = tensors if isinstance(tensors, list) else [tensors]
        elif isinstance(node, list) and node:
            tensors = [node] if isinstance(node[0], str) else node
            keywords = {}
            for tensor in tensors:
                if isinstance(tensor, list) and len(tensor) == 4 and isinstance(tensor[3], dict):
                    keywords |= tensor[3]
        else:
            raise refused(where, "one of its calls has an unknown form")
        if not isinstance(keywords, dict):
            raise refused(where, "one of its calls has an unknown form")
        if spreads:
            tensors, keywords = find_operands(tensors, keywords, where)
        training = keywords.get("training")
        if unknown := {key for key, value in keywords.items() if value is not None} - {"training"}:
            raise refused(where, f"it is called with the argument {sorted(unknown)[0][:60]!r}")
        if training is not None and not isinstance(training, bool):
            raise refused(where, "it is called with a `training` that is neither true nor false")
        return Call(tuple(parse_reference(tensor, where) for tensor in tensors), training)


def _stands_alone(layer: Layer) -> bool:
    """Whether a layer cannot take the output of a single layer as its input."""
    return layer.model is None and (layer.kind == "InputLayer" or KINDS[layer.kind].merges)


def _name(config: dict[str, Any], where: str) -> str:
    name = config.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME or not name.isprintable() or ".." in name:
        raise refused(where, f"expected a name of 1 to {_MAX_NAME} printable characters; found {str(name)[:80]!r}")
    return name


def _trainable(config: dict[str, Any], where: str) -> bool:
    trainable = config.get("trainable", True)
    if not isinstance(trainable, bool | None):
        raise refused(where, "trainable must be true or false")
    return trainable is not False


def _dtype_name(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("config"), dict):
        return value["config"].get("name")
    return value


def _input_shape(shape: Any, where: str) -> tuple[int | None, ...]:
    """Checks an input shape from the file, and returns it without its batch axis."""
    shape = check.plain_list(shape)
    if not isinstance(shape, list) or not 2 <= len(shape) <= 5:
        raise refused(where, f"its input must have a batch axis and one to four other axes; found {str(shape)[:80]}")
    try:
        sides: tuple[int | None, ...] = check.numbers(check.optional(check.integer(1, 2**24)), 1, 4)(shape[1:])
    except ValueError as error:
        raise refused(where, f"the shape of its input: {error}") from None
    return sides
