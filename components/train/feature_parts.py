"""Computes the features of frozen layers before training, with the work split among parallel tasks."""

import logging
from pathlib import Path

from components.contract.artifacts.dataset import read_info
from components.contract.params.probing import is_probed
from components.contract.params.training import TrainParams
from components.train.setup import open_network, open_photographs, settle_mirror

log = logging.getLogger(__name__)


def compute_features(dataset_dir: Path, params: TrainParams, part: int, num_parts: int) -> int:
    """Computes one part of the frozen layers' outputs, for tune and train.

    If an earlier phase trains layers that are frozen in a later one, the features of the later phase cannot be computed
    in advance; train computes them.

    Args:
        dataset_dir: the folder that preprocess wrote.
        params: the resolved train section.
        part: the index of the part, from 0 to num_parts - 1.
        num_parts: how many tasks share the work.

    Returns:
        The number of portions that were computed; the others were already in the store.

    Raises:
        DataError: a split that training needs is empty, or there are fewer than two classes.
        ModelError: the network cannot be built.
        WeightsError: pretrained weights are missing or do not match the network.
        UploadError: the uploaded model is rejected.
        ArtifactError: the data set is damaged, or the shared store cannot be reached.
    """
    info = read_info(dataset_dir)
    params = settle_mirror(params, info)
    photographs = open_photographs(dataset_dir, info)
    if is_probed(params):
        log.info("No features are computed in advance, because train has not chosen the network yet.")
        return 0
    network = open_network(params, info, use_all_devices=False).network
    from components.train.loop.features import FeatureCache
    from components.train.loop.phases import feature_requests, features_ahead
    from components.train.network.freezing import frozen_part, select

    num_computed = 0
    trained_names: set[str] = set()
    for number, phase in enumerate(params.all_phases, start=1):
        ahead = features_ahead(network, photographs, params, number)
        selection = select(network, phase)
        if selection.trained and selection.boundary is not None:
            frozen = frozen_part(network, selection.boundary)
            cache = FeatureCache(frozen, params.cache_precision)
            requests = feature_requests(photographs, phase, params)
            if trained_names.isdisjoint(layer.name for layer in frozen.layers) and cache.can_hold(*requests):
                num_computed += cache.compute_part(requests, part, num_parts, ahead)
        trained_names.update(path.partition("/")[0] for path in selection.trained)
    log.info("Portions of features computed: %d; the others of this part were already in the store.", num_computed)
    return num_computed
