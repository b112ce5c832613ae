"""The learning rate range test."""

import html
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from components.contract.errors import DataError, ModelError
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.params.training import Phase, TrainParams
from components.train.lr_finder.finder import HIGHEST, LOWEST, RangeTest, find_rate, smooth, steepest
from components.train.lr_finder.page import page, sentences
from pipelines.cli.frame import CommandLineError
from pipelines.cli.main import call
from tests.support.artifacts import make_dataset

RATES = [float(rate) for rate in np.geomspace(1e-6, 1, 100)]
OWN = ModelParams(
    kind="layers",
    layers=tuple(map(parse_layer, ["Flatten", {"Dense": {"units": 8}}])),
)


def falling_at(rate: float) -> list[float]:
    """Losses that fall from 2 to 1 around this learning rate, and rise steeply near a rate of 1."""
    return [1 + 1 / (1 + (passed / rate) ** 2) + passed**2 for passed in RATES]


@pytest.mark.parametrize("rate", [1e-4, 1e-3, 1e-2])
def test_the_rate_of_the_steepest_fall_is_proposed(rate: float) -> None:
    proposed = steepest(RATES, falling_at(rate))
    assert proposed == pytest.approx(rate, rel=0.2)


@pytest.mark.parametrize(
    "losses", [[2.0] * 100, [2.0 + 0.1 * number for number in range(100)], [2.0, 1.0], falling_at(1e3)]
)
def test_no_rate_is_proposed_if_the_loss_does_not_fall(losses: list[float]) -> None:
    assert steepest(RATES[: len(losses)], losses) is None


def test_the_smoothed_loss_does_not_lag_behind_the_loss() -> None:
    step = [3.0] * 40 + [1.0] * 40
    smoothed = smooth(step)
    assert smoothed == pytest.approx([4.0 - loss for loss in reversed(smoothed)], abs=0.01)
    assert smooth([2.0] * 50) == pytest.approx([2.0] * 50)
    assert np.ptp(smooth([2.0, 3.0] * 40)[10:-10]) < 0.1


def test_a_range_test_is_reproducible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_dataset(tmp_path / "dataset")
    params = TrainParams(model=OWN, batch_size=8, augmentation="none", trainable="all", optimizer="sgd", seed=3)
    test = find_rate(tmp_path / "dataset", params, 20)  # an epoch has 5 batches
    assert test.rates[0] == pytest.approx(LOWEST)
    assert 5 < len(test.rates) == len(test.losses) == len(test.smoothed) <= 20
    assert all(before < after <= HIGHEST * 1.001 for before, after in itertools.pairwise(test.rates))
    assert all(map(math.isfinite, test.losses))
    assert (test.trained_layers, test.optimizer, test.batch_size) == (("dense_1", "logits"), "sgd", 8)
    page_html = page(test)
    assert page_html.count("<circle") == len(test.losses)
    assert "Leslie Smith" in page_html
    assert all(html.escape(sentence) in page_html for sentence in sentences(test))

    (tmp_path / "params.yaml").write_text(json.dumps({"train": params.model_dump(mode="json")}))
    assert call(["lr-find", "--dataset", "dataset", "--batches", "20", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (tmp_path / report.pop("page")).read_text() == page_html
    assert RangeTest(**report) == test


def test_an_impossible_range_test_is_rejected(tmp_path: Path) -> None:
    make_dataset(tmp_path / "dataset")
    frozen = TrainParams(model=OWN, phases=(Phase(trainable="none"), Phase()), augmentation="none")
    with pytest.raises(ModelError, match="the first phase has none"):
        find_rate(tmp_path / "dataset", frozen)
    info = json.loads((tmp_path / "dataset" / "dataset.json").read_text())
    info["counts"]["train"] = dict.fromkeys(info["counts"]["train"], 0)
    (tmp_path / "dataset" / "dataset.json").write_text(json.dumps(info))
    with pytest.raises(DataError, match="Training needs photos in the train split"):
        find_rate(tmp_path / "dataset", frozen)


def test_a_prepared_data_set_and_photos_cannot_both_be_given(tmp_path: Path) -> None:
    from components.contract.errors import ParamsError

    with pytest.raises(ParamsError, match="found both"):
        call(["lr-find", "--dataset", "a", "--data", "b"])


@pytest.mark.parametrize("number", ["0", "19", "x", "1000000"])
def test_an_invalid_number_of_batches_is_refused(number: str) -> None:
    with pytest.raises(CommandLineError, match="a number from 20 to 10,000 is expected"):
        call(["lr-find", "--batches", number])
