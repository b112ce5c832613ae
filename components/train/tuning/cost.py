"""The cost of a network in production: the time per photo, and the size of its weights."""

import logging
import statistics
import time
from dataclasses import dataclass
from typing import Final

from components.contract.artifacts.dataset import DatasetInfo
from components.contract.params.training import TrainParams

log = logging.getLogger(__name__)

NUM_WARM, NUM_TIMED = 5, 30
BYTES_PER_WEIGHT: Final = 4


@dataclass(frozen=True)
class Cost:
    """The cost of a network, which does not depend on the values of its weights.

    Attributes:
        latency_ms: the median time for one photo on this machine's CPU.
        size_mb: the size of the weights in float32.
    """

    latency_ms: float
    size_mb: float


class CostMeter:
    """Measures each network only once, because a search tries the same network with many learning rates."""

    def __init__(self, info: DatasetInfo):
        self._info = info
        self._cost_by_key: dict[str, Cost] = {}

    def measure(self, train: TrainParams) -> Cost:
        """Builds the network and times it with OpenVINO, as the service runs it.

        Args:
            train: the resolved train section.

        Raises:
            ModelError: the network cannot be built.
        """
        key = f"{train.model.model_dump_json()} {train.image_size}"
        if key not in self._cost_by_key:
            self._cost_by_key[key] = _cost(train, self._info)
        return self._cost_by_key[key]


def _cost(train: TrainParams, info: DatasetInfo) -> Cost:
    import numpy as np

    from components.contract.inference.graph import CPU_SETTINGS, openvino
    from components.train.setup import open_network

    model = open_network(train, info).network.model
    import keras

    from components.train.export.graph import to_openvino, trace

    named = keras.Model(model.input, {"logits": model.output})
    compiled = openvino().Core().compile_model(to_openvino(trace(named)), "CPU", CPU_SETTINGS)
    photo = np.random.default_rng(0).integers(0, 256, (1, *model.input.shape[1:]), np.uint8)
    durations = []
    for _ in range(NUM_WARM + NUM_TIMED):
        start = time.perf_counter()
        compiled({0: photo})
        durations.append(time.perf_counter() - start)
    cost = Cost(round(1000 * statistics.median(durations[NUM_WARM:]), 2), BYTES_PER_WEIGHT * model.count_params() / 1e6)
    keras.utils.clear_session(free_memory=True)
    log.info("%s takes %.1f ms per photo and has %.1f MB of weights.", model.name, cost.latency_ms, cost.size_mb)
    return cost
