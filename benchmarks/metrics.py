"""All metrics of 10,000 predictions with 1,000 bootstrap resamples, compared with a loop around scikit-learn."""

import time

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, log_loss, roc_auc_score

from benchmarks.table import Row, peak_memory_mb, time_by_turns
from components.evaluate.measure.metrics import compute_figures

NUM_PHOTOS = 10_000
NUM_CLASSES = 10
RESAMPLES = 1000
TIMED_RESAMPLES = 4
"""The number of resamples for which the loop is timed; timing all would take too long, and each takes the same time."""
LIMIT_SECONDS = 2.0


def measure() -> list[Row]:
    """Measures the time for random predictions, of which about four in five are correct."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, NUM_CLASSES, NUM_PHOTOS).astype(np.int32)
    scores = rng.random((NUM_PHOTOS, NUM_CLASSES)) + 0.8 * np.eye(NUM_CLASSES)[labels]
    probabilities = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    predictions = probabilities.argmax(axis=1)
    exact_probabilities = probabilities.astype(np.float64)
    exact_probabilities /= exact_probabilities.sum(axis=1, keepdims=True)
    names = tuple(f"class {label}" for label in range(NUM_CLASSES))

    def all_figures() -> None:
        compute_figures(labels, probabilities, names, resamples=RESAMPLES, rng=rng)

    def resample_in_loop() -> None:
        for _ in range(TIMED_RESAMPLES):
            photos = rng.integers(0, NUM_PHOTOS, NUM_PHOTOS)
            resampled_labels, resampled_probabilities = labels[photos], exact_probabilities[photos]
            f1_score(resampled_labels, predictions[photos], average="macro")
            roc_auc_score(resampled_labels, resampled_probabilities, multi_class="ovr")
            average_precision_score(np.eye(NUM_CLASSES)[resampled_labels], resampled_probabilities)
            log_loss(resampled_labels, resampled_probabilities)

    # Processor time, so that the result does not depend on how busy the machine is.
    our_seconds, timed_seconds = time_by_turns(all_figures, resample_in_loop, rounds=5, clock=time.process_time)
    loop_seconds = timed_seconds * RESAMPLES / TIMED_RESAMPLES
    claim = f"all metrics of {NUM_PHOTOS:,} predictions, with {RESAMPLES:,} resamples"
    memory_mb = peak_memory_mb()
    return [
        Row(
            claim,
            f"{our_seconds:.3f} s",
            f"{LIMIT_SECONDS:.0f} s, the limit",
            our_seconds / LIMIT_SECONDS,
            "<= 1",
            memory_mb,
        ),
        Row(
            claim,
            f"{our_seconds:.3f} s",
            f"{loop_seconds:.1f} s, scikit-learn, resample by resample",
            loop_seconds / our_seconds,
            ">= 20",
            memory_mb,
        ),
    ]
