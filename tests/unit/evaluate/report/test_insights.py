"""The report's insights: sentences that interpret the figures of a training run."""

import numpy as np
import pytest

from components.evaluate.measure.metrics import compute_figures
from components.evaluate.report.insights import list_insights
from tests.unit.evaluate.report.contents import content

CHANCE = "validation accuracy is at chance"


def insights_after(
    train_accuracy: float, num_correct: int, num_images: int = 30, trained_layers: tuple[str, ...] = ()
) -> list[str]:
    """The insights for a training run that ends with this training accuracy.

    Of the validation photos, which belong to two classes, `num_correct` are classified correctly.
    """
    basis = content()
    names = ("cat", "dog")
    labels = np.arange(num_images, dtype=np.int32) % 2
    predicted = np.where(np.arange(num_images) < num_correct, labels, 1 - labels)
    probabilities = np.eye(2, dtype=np.float32)[predicted] * 0.8 + 0.1
    validation = compute_figures(labels, probabilities, names, resamples=20, rng=np.random.default_rng(0))
    figures = basis.figures.model_copy(update={"validation": validation})
    facts = basis.bundle.model.model_copy(update={"trained_layers": trained_layers})
    history = {"accuracy": [0.4, train_accuracy], "val_accuracy": [0.5, num_correct / num_images]}
    bundle = basis.bundle.model_copy(update={"model": facts, "best_epoch": 1, "epochs_run": 2})
    return list_insights(basis.evaluation, figures, basis.dataset, bundle, history)


@pytest.mark.parametrize(
    ("train_accuracy", "num_correct", "num_images", "is_chance"),
    [
        (1.0, 15, 30, True),
        (0.96, 12, 30, True),
        (0.95, 18, 30, True),
        (0.94, 15, 30, False),
        (1.0, 19, 30, False),
        (1.0, 30, 30, False),
        (1.0, 2, 2, False),
        (0.5, 15, 30, False),
    ],
)
def test_near_perfect_training_accuracy_with_validation_at_chance_is_recognized(
    train_accuracy: float, num_correct: int, num_images: int, is_chance: bool
) -> None:
    insights = insights_after(train_accuracy, num_correct, num_images)
    assert any(CHANCE in sentence for sentence in insights) == is_chance
    assert not is_chance or CHANCE in insights[0]
    assert not is_chance or not any("much higher on training photos" in sentence for sentence in insights)


def test_batch_normalization_is_mentioned_only_if_it_was_trained() -> None:
    text = " ".join(insights_after(1.0, 15, trained_layers=("conv2d_1", "batch_normalization_1")))
    assert "replace BatchNormalization with GroupNormalization" in text
    assert "GroupNormalization" not in " ".join(insights_after(1.0, 15, trained_layers=("conv2d_1",)))
