"""Compares the contract's predictions about a network with the network that Keras builds."""

from components.contract.errors import ModelError
from components.contract.layers.layer import Layer
from components.contract.layers.stack import trace
from components.contract.params.model import ModelParams
from components.train.keras_import.builder import find_class
from components.train.network.architecture import Network, build_network


def check_built_as_predicted(stack: tuple[Layer, ...], image_size: tuple[int, int]) -> Network | None:
    """Builds a network and checks the predicted shapes and parameter counts; returns None if the network is refused."""
    try:
        traced = trace(stack, (*image_size, 3))
    except ModelError as error:
        assert "Its input is" in str(error) or "is not used" in str(error)
        return None
    try:
        network = build_network(
            ModelParams(kind="layers", layers=stack), image_size=image_size, num_classes=9, batch_size=2
        )
    except ModelError as error:
        assert "ends in a softmax over" in str(error)
        return None
    for predicted in traced:
        built = network.model.get_layer(predicted.layer.name)
        assert type(built) is find_class(predicted.layer.kind)
        assert tuple(built.output.shape[1:]) == predicted.output_shape
        assert built.count_params() == predicted.num_parameters
    return network
