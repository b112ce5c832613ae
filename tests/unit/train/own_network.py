"""Params for training a small network of three layers."""

from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.params.training import TrainParams

EPOCHS = 12
CONVOLUTION = {"Conv2D": {"filters": 4, "kernel_size": 3}}
OWN = ModelParams(
    kind="layers", layers=tuple(map(parse_layer, [CONVOLUTION, "GlobalAveragePooling2D", {"Dropout": {"rate": 0.1}}]))
)
PARAMS = TrainParams(
    model=OWN,
    epochs=EPOCHS,
    batch_size=8,
    min_epoch_steps=1,
    learning_rate=0.03,
    augmentation="light",
    early_stopping=None,
    seed=3,
    trainable="all",
)
