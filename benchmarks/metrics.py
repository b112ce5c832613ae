"""All figures of 10,000 predictions with 1,000 bootstrap resamples, against a loop around scikit-learn's F1."""

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.table import Row, by_turns, peak_memory_mb
from components.evaluate.metrics import figures

NUM_PHOTOS = 10_000
NUM_CLASSES = 10
RESAMPLES = 1000
TIMED_RESAMPLES = 20
"""Of the loop, which would take too long for all; each resample costs the same."""
LIMIT_SECONDS = 2.0


def measure() -> list[Row]:
    """Predictions that are right for about four photos of five."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, NUM_CLASSES, NUM_PHOTOS).astype(np.int32)
    scores = rng.random((NUM_PHOTOS, NUM_CLASSES)) + 0.8 * np.eye(NUM_CLASSES)[labels]
    probabilities = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    predicted = probabilities.argmax(axis=1)
    names = tuple(f"class {label}" for label in range(NUM_CLASSES))

    def all_figures() -> None:
        figures(labels, probabilities, names, resamples=RESAMPLES, rng=rng)

    def loop() -> None:
        for _ in range(TIMED_RESAMPLES):
            photos = rng.integers(0, NUM_PHOTOS, NUM_PHOTOS)
            f1_score(labels[photos], predicted[photos], average="macro")

    ours, timed = by_turns(all_figures, loop, rounds=5)
    looped = timed * RESAMPLES / TIMED_RESAMPLES
    claim = f"all figures of {NUM_PHOTOS:,} predictions, macro F1 with {RESAMPLES:,} resamples"
    memory_mb = peak_memory_mb()
    return [
        Row(claim, f"{ours:.3f} s", f"{LIMIT_SECONDS:.0f} s, the limit", ours / LIMIT_SECONDS, "<= 1", memory_mb),
        Row(claim, f"{ours:.3f} s", f"{looped:.1f} s, f1_score of each resample alone", looped / ours, ">= 20",
            memory_mb),
    ]  # fmt: skip
