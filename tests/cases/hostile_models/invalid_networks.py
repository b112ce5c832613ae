"""Networks that cannot be built or that do not classify photos."""

from pathlib import Path

from tests.cases.hostile_models.attack import Attack, hostile
from tests.cases.hostile_models.files import keras_file, layer, network, weights_file


@hostile("cycle")
def layers_in_a_circle(attack: Attack) -> Path:
    return keras_file(attack, network(layer("Identity", "a", "b"), layer("Identity", "b", "a"), last="b"))


@hostile("which does not exist")
def layer_on_nothing(attack: Attack) -> Path:
    return keras_file(attack, network(layer("Identity", "a", "nowhere"), last="a"))


@hostile("printable")
def layer_name_that_is_a_path(attack: Attack) -> Path:
    return keras_file(attack, network(layer("Identity", "../../../marker", "input"), last="../../../marker"))


@hostile("found 1 and 2")
def two_outputs(attack: Attack) -> Path:
    tree = network()
    tree["config"]["output_layers"] = [["dense", 0, 0], ["flatten", 0, 0]]
    return keras_file(attack, tree)


@hostile("must be a photo")
def takes_text(attack: Attack) -> Path:
    tree = network()
    tree["config"]["layers"][0]["config"]["batch_shape"] = [None, 128]
    return keras_file(attack, tree)


@hostile("unknown argument")
def argument_of_its_own(attack: Attack) -> Path:
    return keras_file(attack, network(call_on_load=attack.source))


@hostile("requires the name of its network")
def weights_without_a_network(attack: Attack) -> Path:
    path = attack.folder / "model.weights.h5"
    path.write_bytes(weights_file())
    return path
