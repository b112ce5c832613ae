"""Measures the trained models on the same validation photos and ranks them."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from components.contract.errors import ArtifactError
from pipelines.comparison.models import TrainedModel

if TYPE_CHECKING:
    import numpy as np

    from components.contract.artifacts.leaderboard import Leaderboard
    from components.evaluate.gate.leaderboard import Entrant

log = logging.getLogger(__name__)

ROUNDS: Final = 30
ROUNDS_OF_8: Final = 10
"""How many times the latency of each model is measured: with single photos, and with batches of 8."""


def rank_models(trained_models: Sequence[TrainedModel], left_out: list[str]) -> "Leaderboard":
    """Scores and times the models that have the same validation photos as the first one."""
    import numpy as np

    from components.contract.artifacts.dataset import open_split, read_info
    from components.contract.inference.graph import InferenceGraph
    from components.evaluate.gate.leaderboard import rank
    from components.evaluate.measure.latency import measure_latencies_ms

    comparable: list[TrainedModel] = []
    models = []
    photos: dict[str, int] = {}
    for trained_model in trained_models:
        split = open_split(trained_model.dataset_dir, "validation")
        own_photos = dict(zip(split.image_ids, split.labels.tolist(), strict=True))
        photos = photos or own_photos
        if own_photos != photos:
            left_out.append(
                f"{trained_model.model.name}: its validation photos differ from those of "
                f"{comparable[0].model.name}; they have {len(own_photos.items() & photos.items()):,} of "
                f"{len(photos):,} photos in common."
            )
            log.warning("%s", left_out[-1])
            continue
        comparable.append(trained_model)
        models.append((InferenceGraph(trained_model.bundle_dirs[0] / "export"), split))
    if len(comparable) < 2:
        raise ArtifactError(
            "A comparison needs at least two models with the same photos; there is "
            f"{'only one' if comparable else 'none'}. {' '.join(left_out)}"
        )
    log.info("Timing %d models in turn.", len(comparable))
    latencies = measure_latencies_ms(models, 1, ROUNDS), measure_latencies_ms(models, 8, ROUNDS_OF_8)
    order = sorted(photos)
    labels = np.array([photos[image_id] for image_id in order], np.int32)
    entrants = [
        _score_entrant(trained_model, order, labels, *times)
        for trained_model, *times in zip(comparable, *latencies, strict=True)
    ]
    return rank(entrants, labels, read_info(comparable[0].dataset_dir).name, left_out, np.random.default_rng(0))


def _score_entrant(
    trained_model: TrainedModel, order: Sequence[str], labels: "np.ndarray", latency_ms: float, latency_of_8_ms: float
) -> "Entrant":
    """Scores each seed's bundle on the validation photos; `order` contains the photo ids in the order of `labels`."""
    import numpy as np

    from components.contract.artifacts.bundle import read_bundle
    from components.contract.artifacts.dataset import open_split, read_info
    from components.contract.inference.graph import InferenceGraph
    from components.evaluate.gate.leaderboard import Entrant
    from components.evaluate.measure.predictions import score

    split, num_classes = (
        open_split(trained_model.dataset_dir, "validation"),
        len(read_info(trained_model.dataset_dir).class_names),
    )
    rows = np.array([split.index_of[image_id] for image_id in order])
    predicted_labels = np.stack(
        [
            score(InferenceGraph(bundle_dir / "export"), split, "validation", num_classes).predicted[rows]
            for bundle_dir in trained_model.bundle_dirs
        ]
    )
    first = trained_model.bundle_dirs[0]
    num_bytes = sum(path.stat().st_size for path in first.rglob("*") if path.is_file())
    return Entrant(
        trained_model.model.name,
        trained_model.seeds,
        predicted_labels == labels,
        predicted_labels,
        read_bundle(first).model.num_parameters,
        round(num_bytes / 1e6, 3),
        latency_ms,
        latency_of_8_ms,
        round(trained_model.minutes, 3),
    )
