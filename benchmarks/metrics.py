"""All figures of 10,000 predictions with 1,000 bootstrap resamples, against a loop around scikit-learn's own."""

import time

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, log_loss, roc_auc_score

from benchmarks.table import Row, by_turns, peak_memory_mb
from components.evaluate.measure.metrics import figures

NUM_PHOTOS = 10_000
NUM_CLASSES = 10
RESAMPLES = 1000
TIMED_RESAMPLES = 4
"""Of the loop, which would take too long for all; each resample costs the same."""
LIMIT_SECONDS = 2.0


def measure() -> list[Row]:
    """Predictions that are right for about four photos of five."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, NUM_CLASSES, NUM_PHOTOS).astype(np.int32)
    scores = rng.random((NUM_PHOTOS, NUM_CLASSES)) + 0.8 * np.eye(NUM_CLASSES)[labels]
    probabilities = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    predicted = probabilities.argmax(axis=1)
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    names = tuple(f"class {label}" for label in range(NUM_CLASSES))

    def all_figures() -> None:
        figures(labels, probabilities, names, resamples=RESAMPLES, rng=rng)

    def loop() -> None:
        for _ in range(TIMED_RESAMPLES):
            photos = rng.integers(0, NUM_PHOTOS, NUM_PHOTOS)
            drawn, answers = labels[photos], exact[photos]
            f1_score(drawn, predicted[photos], average="macro")
            roc_auc_score(drawn, answers, multi_class="ovr")
            average_precision_score(np.eye(NUM_CLASSES)[drawn], answers)
            log_loss(drawn, answers)

    # Processor time, so that a busy machine's figures can be compared with the limit.
    ours, timed = by_turns(all_figures, loop, rounds=5, clock=time.process_time)
    looped = timed * RESAMPLES / TIMED_RESAMPLES
    claim = f"all figures of {NUM_PHOTOS:,} predictions, with {RESAMPLES:,} resamples"
    memory_mb = peak_memory_mb()
    return [
        Row(claim, f"{ours:.3f} s", f"{LIMIT_SECONDS:.0f} s, the limit", ours / LIMIT_SECONDS, "<= 1", memory_mb),
        Row(
            claim,
            f"{ours:.3f} s",
            f"{looped:.1f} s, scikit-learn, resample by resample",
            looped / ours,
            ">= 20",
            memory_mb,
        ),
    ]
