"""The learning rate range test: trains with a rate that rises from batch to batch, and finds where the loss falls.

The test was proposed by Leslie Smith (2015, Cyclical Learning Rates for Training Neural Networks, section 3.3), who
raises the rate linearly and looks at the accuracy. Multiplying the rate by a constant factor, smoothing the loss and
proposing the rate at which it falls fastest are later practice, as in fastai.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from components.contract.artifacts.dataset import read_info
from components.contract.errors import ModelError
from components.contract.params.training import TrainParams
from components.contract.record import BaseRecord
from components.train.probe.choose import settle_network
from components.train.setup import open_network, open_photographs, settle_mirror

log = logging.getLogger(__name__)

LOWEST, HIGHEST = 1e-6, 1.0
SMOOTHING: Final = 0.85
"""The weight of the previous running mean when the loss of the next batch is added to it."""
SETTLING: Final = 5
"""The number of batches at the start that are ignored, because their running mean is not meaningful yet."""
BURST: Final = 4.0
"""The test ends when the running mean of the losses exceeds this multiple of its minimum."""
LEAST_FALL: Final = 0.02
"""If the loss falls by less than this share of its initial value, no rate is proposed."""


class RangeTest(BaseRecord):
    """The losses while the learning rate rises.

    Attributes:
        rates: the learning rate of each batch, ascending.
        losses: the loss of each batch, before its step.
        smoothed: the losses, smoothed by `smooth`.
        proposed: the rate at which the smoothed loss fell fastest; None if it hardly fell.
        lowest_at: the rate at which the smoothed loss was lowest.
        learning_rate: the learning rate of the first phase in the params.
        optimizer: the optimizer of the first phase.
        batch_size: the number of photos per batch; the best rate depends on it.
        trained_layers: the names of the trained layers.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    proposed: float | None
    lowest_at: float
    learning_rate: float
    optimizer: str
    batch_size: int
    trained_layers: tuple[str, ...]


def find_rate(dataset_dir: Path, params: TrainParams, num_batches: int = 100) -> RangeTest:
    """Runs the range test under the conditions of the first phase: the same layers, batches, loss and optimizer.

    The network is discarded. The features of the validation photos are also computed, so that training finds them in
    the feature cache; the test does not use them.

    Args:
        dataset_dir: the folder that preprocess wrote.
        params: the resolved train section.
        num_batches: the maximum number of batches; the test ends earlier if the loss grows too much.

    Raises:
        DataError: a split that training needs is empty, or there are fewer than two classes.
        ModelError: the network cannot be built, the first phase trains nothing, or the loss is not finite from the
            start.
        WeightsError: pretrained weights are missing or do not match the network.
        UploadError: the uploaded model is rejected.
    """
    info = read_info(dataset_dir)
    params = settle_mirror(params, info)
    photos = open_photographs(dataset_dir, info)
    params, _ = settle_network(params, info, photos)
    network = open_network(params, info, use_all_devices=False).network
    from components.train.loop.batches import Batches
    from components.train.loop.optimizer import make_loss, make_optimizer
    from components.train.loop.phases import describe, make_examples
    from components.train.lr_finder.sweep import raise_rate
    from components.train.network.freezing import learning_part, rate_scales, select
    from components.train.tensorflow.pointwise import pointwise_as_products

    phase = params.all_phases[0]
    selection = select(network, phase)
    if not selection.trained:
        raise ModelError("A range test needs trainable layers; the first phase has none. Set train.trainable.")
    for line in describe(network, selection):
        log.info("The first phase: %s", line)
    examples, _, boundary = make_examples(network, selection, photos, phase, params)
    batches = Batches(
        examples, params.batch_size, shuffle_seed=params.seed, oversample=params.imbalance == "oversample"
    )
    model = learning_part(network, boundary)
    scales = rate_scales(network, selection, phase.layer_decay)
    optimizer = make_optimizer(phase, len(batches), scales=[scales[weight.path] for weight in model.trainable_weights])
    model.compile(optimizer, make_loss(params, batches.labels, model.output.shape[-1]), jit_compile=False)
    rates = np.geomspace(LOWEST, HIGHEST, num_batches)
    with pointwise_as_products(model):
        losses = raise_rate(model, batches, rates, _bursts)
    if len(losses) <= SETTLING:
        raise ModelError(
            f"The loss became NaN or infinite after batch {len(losses)}, although the learning rate starts at "
            f"{LOWEST:g}. Check the network: does it scale its pixels?"
        )
    smoothed, rates_used = smooth(losses), [float(rate) for rate in rates[: len(losses)]]
    return RangeTest(
        rates=tuple(rates_used),
        losses=tuple(losses),
        smoothed=tuple(smoothed),
        proposed=steepest(rates_used, smoothed),
        lowest_at=rates_used[int(np.argmin(smoothed))],
        learning_rate=phase.learning_rate,
        optimizer=phase.optimizer,
        batch_size=params.batch_size,
        trained_layers=selection.trained,
    )


def smooth(losses: Sequence[float]) -> list[float]:
    """Returns the average of the running means from both ends, which does not lag behind the losses."""
    return [
        (before + after) / 2 for before, after in zip(_running(losses), reversed(_running(losses[::-1])), strict=True)
    ]


def steepest(rates: Sequence[float], smoothed: Sequence[float]) -> float | None:
    """Returns the rate at which the loss falls fastest on a logarithmic scale of rates; None if it hardly falls.

    Args:
        rates: the learning rates, ascending.
        smoothed: the smoothed loss at each rate.
    """
    losses = np.asarray(smoothed)
    if len(losses) <= SETTLING:
        return None
    lowest = SETTLING + int(np.argmin(losses[SETTLING:]))
    start = losses[SETTLING]
    if lowest - SETTLING < 2 or start - losses[lowest] < LEAST_FALL * abs(start):
        return None
    slopes = np.gradient(losses[SETTLING : lowest + 1], np.log(rates[SETTLING : lowest + 1]))
    return float(rates[SETTLING + int(np.argmin(slopes))])


def _running(losses: Sequence[float]) -> list[float]:
    """Returns the running means of the losses, corrected for their start at 0."""
    means, mean = [], 0.0
    for number, loss in enumerate(losses, start=1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        means.append(mean / (1 - SMOOTHING**number))
    return means


def _bursts(losses: Sequence[float]) -> bool:
    means = _running(losses)
    return means[-1] > BURST * min(means)
