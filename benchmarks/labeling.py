"""Accuracy by number of labels: photos that `darkroom data next` chooses, compared with photos drawn at random.

A logistic regression on the features of a frozen MobileNetV2 is trained on 100 random photos of the clothing data set,
then on 50 more in each round. This is repeated with five seeds; the accuracy is measured on the 713 validation and test
photos. Requires real photos and weights in the folder that DARKROOM_SHARED names (default: `shared/` in the
repository).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.table import Row
from benchmarks.tuning import find_photos_and_weights
from components.deploy.monitoring.selection import choose, weigh

ON_REQUEST: Final = "it computes the features of 3,781 photos, which takes minutes"

SIDE: Final = 224
BATCH_SIZE: Final = 64
NUM_SEEDS: Final = 5
NUM_FIRST: Final = 100
NUM_PER_ROUND: Final = 50
NUM_LABELS: Final = 600
STUDENT: Final = 2.776
"""The quantile of Student's t distribution for the 95 % confidence interval of the mean of five values."""

Strategy = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
"""Chooses NUM_PER_ROUND unlabeled photos, given the model's confidence and the features; returns their indices."""


def measure() -> list[Row]:
    """Measures how many chosen photos must be labeled to reach the accuracy of NUM_LABELS random photos."""
    features, labels = compute_features()
    curves = {name: draw_curves(features, labels, strategy) for name, strategy in STRATEGIES.items()}
    print_curves(curves)
    random_mean, chosen_mean = (curves[name].mean(axis=0) for name in ("random", "chosen"))
    num_chosen = NUM_FIRST + NUM_PER_ROUND * int(np.argmax(chosen_mean >= random_mean[-1]))
    return [
        Row(
            f"labels for {100 * random_mean[-1]:.1f} % accuracy on the clothing photos, chosen by darkroom data next",
            f"{num_chosen} labels",
            f"{NUM_LABELS} labels, drawn at random",
            NUM_LABELS / num_chosen,
            ">= 1.3",
        )
    ]


def compute_features() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Computes the features, float32 (n, 1280), and the labels of two sets of photos: "pool" and "held out".

    Raises:
        SkipError: the photos or the weights are missing.
    """
    photos_dir, weights = find_photos_and_weights()
    import keras

    from components.contract.image.decode import decode

    network = keras.applications.MobileNetV2(
        include_top=False, weights=str(weights), pooling="avg", input_shape=(SIDE, SIDE, 3)
    )

    def embed(paths: list[Path]) -> np.ndarray:
        batches = (paths[start : start + BATCH_SIZE] for start in range(0, len(paths), BATCH_SIZE))
        pixels = (np.stack([decode(path.read_bytes(), (SIDE, SIDE)).pixels for path in batch]) for batch in batches)
        return np.concatenate([network(batch / np.float32(127.5) - 1, training=False).numpy() for batch in pixels])

    files = {
        "pool": sorted((photos_dir / "train").glob("*/*")),
        "held out": [path for split in ("test", "validation") for path in sorted((photos_dir / split).glob("*/*"))],
    }
    labels = {name: np.array([path.parent.name for path in paths]) for name, paths in files.items()}
    return {name: embed(paths) for name, paths in files.items()}, labels


def draw_curves(features: dict[str, np.ndarray], labels: dict[str, np.ndarray], strategy: Strategy) -> np.ndarray:
    """Measures the accuracy on the held-out photos after each round: float64 (seeds, rounds)."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = features["pool"].mean(axis=0), features["pool"].std(axis=0) + 1e-6
    pool, held_out = ((features[name] - mean) / spread for name in ("pool", "held out"))
    curves = []
    for seed in range(NUM_SEEDS):
        rng = np.random.default_rng(seed)
        labeled = rng.choice(len(pool), NUM_FIRST, replace=False)
        curve = []
        while True:
            model = LogisticRegression(C=0.003, max_iter=60, tol=1e-2).fit(pool[labeled], labels["pool"][labeled])
            curve.append(model.score(held_out, labels["held out"]))
            if len(labeled) == NUM_LABELS:
                break
            rest = np.setdiff1d(np.arange(len(pool)), labeled)
            confidence = model.predict_proba(pool[rest]).max(axis=1)
            labeled = np.concatenate([labeled, rest[strategy(confidence, features["pool"][rest], rng)]])
        curves.append(curve)
    return np.array(curves)


def draw_at_random(confidence: np.ndarray, _features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Chooses random photos, as a baseline."""
    return rng.choice(len(confidence), NUM_PER_ROUND, replace=False)


def choose_next(confidence: np.ndarray, features: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Chooses photos as `darkroom data next` does, but ignores familiarity and feedback."""
    weights = weigh(confidence, [None] * len(confidence), np.zeros(len(confidence), bool))
    return np.array(choose(weights, features, NUM_PER_ROUND))


STRATEGIES: Final[dict[str, Strategy]] = {"random": draw_at_random, "chosen": choose_next}


def print_curves(curves: dict[str, np.ndarray]) -> None:
    """Prints both strategies' accuracies and the gain in each round, then the mean gain; gains have a 95 % interval."""
    gain = curves["chosen"] - curves["random"]
    margin = STUDENT * gain.std(axis=0, ddof=1) / np.sqrt(NUM_SEEDS)
    for number in range(gain.shape[1]):
        random_mean, chosen_mean = (100 * curves[name][:, number].mean() for name in ("random", "chosen"))
        print(
            f"{NUM_FIRST + NUM_PER_ROUND * number} labels: random {random_mean:.1f} %, chosen {chosen_mean:.1f} %, "
            f"gain {100 * gain[:, number].mean():+.1f} ± {100 * margin[number]:.1f}"
        )
    mean_gain = 100 * gain.mean(axis=1)
    mean_margin = STUDENT * mean_gain.std(ddof=1) / np.sqrt(NUM_SEEDS)
    print(f"all rounds: gain {mean_gain.mean():+.1f} ± {mean_margin:.1f}")
