"""The work of the tasks that compute the frozen features of the photos before the training, a part each."""

import logging
from pathlib import Path

from components.contract.artifacts.dataset import read_info
from components.contract.params.training import TrainParams
from components.train.setup import open_network, open_photographs, settle_mirror

log = logging.getLogger(__name__)


def compute_features(dataset_dir: Path, params: TrainParams, part: int, num_parts: int) -> int:
    """Computes a part of what the frozen layers output, for tune and train.

    Phases whose frozen layers an earlier phase trains have no features yet; train computes those.

    Args:
        dataset_dir: as preprocess wrote it.
        params: the train section, resolved.
        part: from 0 to below num_parts.
        num_parts: how many tasks share the work.

    Returns:
        How many portions were computed; the others were there.

    Raises:
        DataError: a split that training needs is empty, or there are fewer than two classes.
        ModelError: the network cannot be built.
        WeightsError: pretrained weights are missing or belong to another network.
        UploadError: the uploaded model is refused.
        ArtifactError: the data set is damaged, or the shared store is out of reach.
    """
    info = read_info(dataset_dir)
    params = settle_mirror(params, info)
    photographs = open_photographs(dataset_dir, info)
    network = open_network(params, info, use_all_devices=False).network
    from components.train.loop.features import FeatureCache
    from components.train.loop.phases import feature_requests
    from components.train.network.freezing import frozen_part, select

    num_computed = 0
    trained_names: set[str] = set()
    for phase in params.all_phases:
        selection = select(network, phase)
        if selection.trained and selection.boundary is not None:
            frozen = frozen_part(network, selection.boundary)
            cache = FeatureCache(frozen, params.cache_precision)
            requests = feature_requests(photographs, phase, params)
            if trained_names.isdisjoint(layer.name for layer in frozen.layers) and cache.can_hold(*requests):
                num_computed += cache.compute_part(requests, part, num_parts)
        trained_names.update(path.partition("/")[0] for path in selection.trained)
    log.info("Computed %d portions of features; the others of this part were there.", num_computed)
    return num_computed
