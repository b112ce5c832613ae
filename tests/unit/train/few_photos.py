"""Separable problems with few pictures, and the accuracy that networks reach on them with the default params."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cv2
import keras
import numpy as np
from sklearn.linear_model import LogisticRegression

from components.contract.artifacts.dataset import DatasetInfo, Source, Split, SplitName
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.params.resolve import resolve_train
from components.contract.params.training import TrainParams
from components.contract.tracking.run import Run
from components.train.loop.phases import train_phases
from components.train.network.backbone import build_backbone
from components.train.setup import Photographs, open_network

HELD_OUT: Final = 0.15
"""The fraction of each class that goes to validation, and the same to test, as in the defaults of preprocess."""
NUM_TEST: Final = 40
"""Test pictures per class; more than HELD_OUT would provide, so that the accuracy is more precise."""
NOISE: Final = 12


def colors(label: int, rng: np.random.Generator, side: int) -> np.ndarray:
    """Draws a picture in the color of its class, with noise and a square of any color: uint8 (side, side, 3), RGB."""
    picture = np.full((side, side, 3), [(200, 60, 60), (60, 180, 80), (70, 90, 210)][label], float)
    top, left = rng.integers(0, side - side // 4, 2)
    picture[top : top + side // 4, left : left + side // 4] = rng.integers(0, 256, 3)
    return with_noise(picture, rng)


def shapes(label: int, rng: np.random.Generator, side: int) -> np.ndarray:
    """Draws a disk, a triangle or a cross, light on dark and near the middle: uint8 (side, side, 3), RGB."""
    front, back = light_and_dark(rng)
    picture = np.tile(back, (side, side, 1))
    radius, (x, y) = side * rng.uniform(0.25, 0.38), side * rng.uniform(0.4, 0.6, 2)
    if label == 0:
        cv2.circle(picture, (round(x), round(y)), round(radius), front.tolist(), cv2.FILLED)
    elif label == 1:
        corners = np.array([[x, y - radius], [x - radius, y + radius], [x + radius, y + radius]]).round().astype(int)
        cv2.fillConvexPoly(picture, corners, front.tolist())
    else:
        for half in ((radius, radius / 3), (radius / 3, radius)):
            low, high = np.array([x, y]) - half, np.array([x, y]) + half
            cv2.rectangle(picture, low.round().astype(int), high.round().astype(int), front.tolist(), cv2.FILLED)
    return with_noise(picture, rng)


def light_and_dark(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns a random light color and a random dark one: float64 (3,) each."""
    return rng.uniform(160, 255, 3), rng.uniform(0, 90, 3)


def with_noise(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Adds noise to every value of the picture: uint8 (height, width, 3)."""
    return (picture + rng.normal(0, NOISE, picture.shape)).clip(0, 255).astype(np.uint8)


Draw = Callable[[int, np.random.Generator, int], np.ndarray]
PROBLEMS: Final[dict[str, tuple[Draw, int]]] = {"colors": (colors, 3), "shapes": (shapes, 3)}
"""For each problem: the function that draws a picture of a class, and the number of classes."""

OWN_LAYERS: Final = (
    {"Conv2D": {"filters": 16, "kernel_size": 3, "padding": "same"}},
    "BatchNormalization",
    {"Activation": {"activation": "relu"}},
    "MaxPooling2D",
    {"Conv2D": {"filters": 32, "kernel_size": 3, "padding": "same"}},
    "BatchNormalization",
    {"Activation": {"activation": "relu"}},
    "MaxPooling2D",
    {"Conv2D": {"filters": 64, "kernel_size": 3, "padding": "same"}},
    "BatchNormalization",
    {"Activation": {"activation": "relu"}},
    "GlobalAveragePooling2D",
)
"""A network as found in tutorials; batch normalization has Keras' default momentum."""

SIDES: Final = {"small CNN": 16, "custom CNN": 72, "MobileNetV2": 224}


def model_params(network: str, weights: Path | None) -> ModelParams:
    """The model params that a user writes for this network."""
    if network == "MobileNetV2":
        return ModelParams(name="MobileNetV2", weights=str(weights))
    return ModelParams() if network == "small CNN" else ModelParams(layers=tuple(map(parse_layer, OWN_LAYERS)))


def draw_split(problem: str, num_photos: int, side: int, seed: list[int]) -> Split:
    """A split with `num_photos` pictures of each class."""
    draw, num_classes = PROBLEMS[problem]
    labels = np.arange(num_classes * num_photos, dtype=np.int32) % num_classes
    rng = np.random.default_rng(seed)
    pictures = np.stack([draw(int(label), rng, side) for label in labels])
    return Split([pictures], labels, [f"{seed} {number}" for number in range(len(labels))])


def split_counts(num_photos: int) -> dict[SplitName, int]:
    """The number of pictures of each class in each split."""
    num_held_out = round(HELD_OUT * num_photos)
    return {"train": num_photos - 2 * num_held_out, "validation": num_held_out, "test": NUM_TEST}


def draw_splits(problem: str, num_photos: int, side: int, seed: int) -> tuple[Split, Split, Split]:
    """The training, validation and test pictures."""
    counts = split_counts(num_photos).values()
    train, validation, test = (draw_split(problem, count, side, [seed, number]) for number, count in enumerate(counts))
    return train, validation, test


def linear_accuracy(problem: str, num_photos: int, seed: int, weights: Path) -> float:
    """The test accuracy of a logistic regression on the frozen features of MobileNetV2, without augmentation."""
    side = SIDES["MobileNetV2"]
    pixels = keras.Input((side, side, 3), dtype="uint8")
    backbone = build_backbone("MobileNetV2", pixels)
    backbone.load_weights(weights)
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    frozen = keras.Model(pixels, pooled)
    train, _, test = draw_splits(problem, num_photos, side, seed)
    features = [frozen.predict(split.gather(np.arange(len(split))), verbose=0) for split in (train, test)]
    keras.utils.clear_session()
    accuracy: float = LogisticRegression(max_iter=5000).fit(features[0], train.labels).score(features[1], test.labels)
    return accuracy


def learn(
    problem: str,
    num_photos: int,
    network: str,
    seed: int,
    *,
    side: int | None = None,
    weights: Path | None = None,
    **params: Any,
) -> tuple[float, str]:
    """Trains a network with the default params on a problem.

    Args:
        problem: a key of PROBLEMS.
        num_photos: pictures per class in the data set, before its test split is enlarged to NUM_TEST per class.
        network: a key of SIDES.
        seed: the seed of the pictures and of training.
        side: width and height of the pictures in pixels; None for the value in SIDES.
        weights: the weights file of MobileNetV2.
        params: params of train that differ from the defaults.

    Returns:
        The test accuracy, and a line that summarizes the result.
    """
    side = side or SIDES[network]
    counts = split_counts(num_photos)
    train, validation, test = draw_splits(problem, num_photos, side, seed)
    class_names = tuple(f"class {label}" for label in range(PROBLEMS[problem][1]))
    info = DatasetInfo(
        name=problem,
        class_names=class_names,
        image_size=(side, side),
        resize="stretch",
        native_size=(side, side),
        counts={split: dict.fromkeys(class_names, count) for split, count in counts.items()},
        rejected={},
        fingerprint=f"{problem} {num_photos} {side} {seed}",
        source=Source(uri="drawn"),
    )
    train_params, _ = resolve_train(
        TrainParams.model_validate({"model": model_params(network, weights), "seed": seed, **params}), (side, side)
    )
    opened = open_network(train_params, info)
    result = train_phases(opened.network, Photographs(train, validation, info.fingerprint), train_params, Run(None))
    logits = opened.network.model.predict(test.gather(np.arange(len(test))), verbose=0)
    accuracy = float((logits.argmax(axis=1) == test.labels).mean())
    keras.utils.clear_session()
    line = (
        f"{problem:8} {num_photos:3} {network:11} seed {seed}: test {accuracy:.3f}, validation "
        f"{result.at_best('val_accuracy'):.3f}, training {result.at_best('accuracy'):.3f}, epoch {result.best_epoch} "
        f"of {result.epochs_run}"
    )
    return accuracy, line
