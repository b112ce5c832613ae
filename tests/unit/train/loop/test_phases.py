"""Training phases on a small data set."""

from pathlib import Path

import numpy as np
import pytest

from components.contract.artifacts.dataset import read_info
from components.contract.tracking.run import Run
from components.train.loop.phases import train_phases
from components.train.setup import open_network, open_photographs
from tests.unit.train.own_network import PARAMS


def weights_after(dataset_dir: Path, *, epochs: int, min_epoch_steps: int) -> list[np.ndarray]:
    """The weights after the last epoch, even if an earlier epoch was better."""
    settings = {"epochs": epochs, "min_epoch_steps": min_epoch_steps, "schedule": "constant"}
    params = PARAMS.model_copy(update=settings)
    network = open_network(params, info := read_info(dataset_dir)).network
    weights: list[list[np.ndarray]] = []
    train_phases(
        network,
        open_photographs(dataset_dir, info),
        params,
        Run(None),
        watch=lambda *_: weights.append(network.model.get_weights()),
    )
    assert len(weights) == epochs
    return weights[-1]


def test_a_small_data_set_is_repeated_within_an_epoch(photos_of_32: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="components"):
        thrice = weights_after(photos_of_32, epochs=1, min_epoch_steps=7)
    assert "Phase 1 of 1: an epoch makes 3 passes over the 24 training photos, to reach" in caplog.text
    expected = weights_after(photos_of_32, epochs=3, min_epoch_steps=3)
    assert all(map(np.array_equal, thrice, expected))
