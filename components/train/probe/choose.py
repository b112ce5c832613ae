"""Probes the candidates of `train.model.name: auto` on the training photos, and chooses the one to train."""

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from components.contract.artifacts.dataset import DatasetInfo
from components.contract.artifacts.probe import Probe, ProbedNetwork
from components.contract.errors import ArtifactError, DataError, ModelError, ParamsError, UploadError, WeightsError
from components.contract.layers.backbones import BACKBONES
from components.contract.params.augmentation import AugmentationParams
from components.contract.params.probing import is_probed, probe_rule
from components.contract.params.resolve import resolve_train
from components.contract.params.training import Phase, TrainParams
from components.contract.system.atomic_files import file_sha256, read_json, write_json
from components.contract.system.cache import cache_dir
from components.train.network.backbone import is_cached
from components.train.network.candidates import inspect_candidate
from components.train.probe.linear_head import cross_validate, draw_folds
from components.train.probe.ranking import Measured, rank
from components.train.setup import Photographs, open_network

log = logging.getLogger(__name__)

NUM_PHOTOS: Final = 1_000
TIME_SHARE: Final = 0.3
"""The share of the time limit that computing the frozen features of all views may take."""

Probing = tuple[TrainParams, Probe | None]


def settle_network(params: TrainParams, info: DatasetInfo, photos: Photographs) -> Probing:
    """Lets a probe choose the network if the params do not name one; returns the params, and the probe or None.

    Args:
        params: the resolved train section.
        info: describes the data set.
        photos: the photos for training.

    Raises:
        WeightsError: no candidate can be used, for example because all weights are missing.
        ModelError: no candidate can be built for these photos.
        DataError: there are too few photos to compare candidates.
    """
    if not is_probed(params):
        return params, None
    settled, others = _open_candidates(params, info)
    if len(settled) == 1:
        (candidate,) = settled
        why = f"{_display_name(candidate)}: it is the only candidate that can be used, so nothing was probed."
        networks = (_describe(candidate, settled[candidate], info), *others)
        probe = Probe(networks=networks, num_photos=0, chosen=candidate, why=why)
    else:
        probe = _probe_once(settled, others, params, info, photos)
    return settled[probe.chosen], probe


def table_lines(probe: Probe) -> list[str]:
    """Formats the probe as a table for the log and for MLflow."""
    width = max(len(network.name) for network in probe.networks)
    head = f"{'network':<{width}} {'input':>9} {'accuracy':>9} {'95 % interval':>15} {'ms/photo':>9}"
    lines = [head] if probe.num_photos else []
    for network in probe.networks:
        if network.accuracy is not None and network.input_size is not None:
            accuracy, size = network.accuracy, "{} × {}".format(*network.input_size)
            interval = f"{100 * accuracy.low:.1f} to {100 * accuracy.high:.1f}"
            mark = " *" if network.is_tied else ""
            lines.append(
                f"{network.name:<{width}} {size:>9} {100 * accuracy.value:>7.1f} % {interval:>15} "
                f"{network.ms_per_photo:>9.1f}{mark}"
            )
        elif network.reason is not None:
            lines.append(f"{network.name:<{width}} not probed: {network.reason}")
    if probe.num_photos:
        lines.append(
            f"Accuracy of a linear head on frozen features, cross-validated on {probe.num_photos:,} training photos. "
            "* marks networks that may be as accurate as the best. Differences often shrink if the last blocks are "
            "trained too."
        )
    return [*lines, f"train.model.name: auto became {probe.why}"]


def _open_candidates(params: TrainParams, info: DatasetInfo) -> tuple[dict[str, TrainParams], list[ProbedNetwork]]:
    """Returns the params for each usable candidate, and the other candidates with the reason why each is unusable."""
    settled: dict[str, TrainParams] = {}
    others: list[ProbedNetwork] = []
    offline: str | None = None
    for candidate in probe_rule(params).candidates:
        try:
            settled[candidate] = _settle(candidate, params, info, offline)
        except WeightsError as error:
            offline = str(error) if candidate in BACKBONES else offline
            others.append(ProbedNetwork(candidate=candidate, name=_display_name(candidate), reason="no weights"))
            log.info("%s is not probed: %s", _display_name(candidate), error)
        except (ModelError, UploadError, ParamsError) as error:
            others.append(ProbedNetwork(candidate=candidate, name=_display_name(candidate), reason=str(error)))
    if not settled:
        reasons = offline or "; ".join(str(network.reason) for network in others)
        raise WeightsError(
            "train.model.name: auto needs at least one candidate with weights; none of "
            f"{', '.join(map(_display_name, probe_rule(params).candidates))} can be used: {reasons} To use a weights "
            "file: --set train.model.candidates='[FILE]'."
        )
    return settled, others


def _settle(candidate: str, params: TrainParams, info: DatasetInfo, offline: str | None) -> TrainParams:
    """Resolves the params for a candidate; photos larger than its network's input will be scaled down to it.

    Args:
        candidate: a backbone or a file.
        params: the params with `model.name: auto`.
        info: describes the data set.
        offline: the reason why an earlier download failed; None if none has failed.
    """
    from components.train.network.backbone import find_weights

    model, facts = inspect_candidate(candidate, params.model.head)
    own = facts.image_size if facts and facts.image_size else None
    if own is None and model.name in BACKBONES:
        own = (BACKBONES[str(model.name)].size,) * 2
    size = params.image_size
    if size is None and own is not None and own[0] <= info.image_size[0] and own[1] <= info.image_size[1]:
        size = own if own != info.image_size else None
    settled, _ = resolve_train(params.model_copy(update={"model": model, "image_size": size}), info.image_size, facts)
    if settled.model.kind == "pretrained":
        input_size = settled.input_size(info.image_size)
        if offline is not None and candidate in BACKBONES and not is_cached(candidate, input_size):
            raise WeightsError(offline)
        find_weights(str(settled.model.name), str(settled.model.weights), input_size)
    return settled


def _probe_once(
    settled: dict[str, TrainParams],
    others: Sequence[ProbedNetwork],
    params: TrainParams,
    info: DatasetInfo,
    photos: Photographs,
) -> Probe:
    """Probes the candidates, or reads an earlier result for the same candidates and photos from the cache."""
    facts = [info.fingerprint, params.model_dump_json(), [_file_digest(candidate) for candidate in settled]]
    path = cache_dir() / "probes" / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}.json"
    if path.exists():
        log.info("These candidates have already been probed on these photos.")
        return read_json(path, Probe, "probe")
    labels = photos.training.labels[:NUM_PHOTOS]
    usable = np.isin(labels, np.flatnonzero(np.bincount(labels) >= 2))
    if len(np.unique(labels[usable])) < 2:
        raise DataError(
            "To compare networks, at least two classes must have two training photos each; found "
            f"{len(np.unique(labels[usable]))} of {len(info.class_names)}. Add photos, or set train.model.name."
        )
    folds = draw_folds(labels[usable], np.random.default_rng(params.seed))
    measured: list[Measured] = []
    for candidate, train in settled.items():
        try:
            features, milliseconds = _measure(train, info, photos)
        except (ModelError, ArtifactError) as error:
            others = [*others, ProbedNetwork(candidate=candidate, name=_display_name(candidate), reason=str(error))]
            continue
        network = _describe(candidate, train, info).model_copy(update={"ms_per_photo": round(milliseconds, 2)})
        measured.append(Measured(network, cross_validate(features[usable], labels[usable], folds)))
    if not measured:
        raise ModelError(f"No candidate can be probed: {'; '.join(str(network.reason) for network in others)}")
    probe = rank(measured, others, probe_rule(params).choose, _max_ms(params, len(photos.training)))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, probe)
    return probe


def _measure(train: TrainParams, info: DatasetInfo, photos: Photographs) -> tuple[np.ndarray, float]:
    """Returns the frozen features of the first photos, float32 (n, d), and the time per photo in milliseconds."""
    network = open_network(train, info, use_all_devices=False).network
    from components.train.budget.measurement import time_inference
    from components.train.loop.features import FeatureCache
    from components.train.loop.inference import FeatureRequest, fastest_inference
    from components.train.network.freezing import frozen_part, select

    selection = select(network, Phase(trainable="head"))
    boundary = network.backbone.output if selection.boundary is None and network.backbone else selection.boundary
    if boundary is None:
        raise ModelError("it has no frozen layers")
    frozen = frozen_part(network, boundary)
    request = FeatureRequest(photos.training, f"{photos.fingerprint} train", 1, AugmentationParams(), train.seed)
    values = FeatureCache(frozen, train.cache_precision).first_portion(request)[:NUM_PHOTOS]
    seconds, _ = time_inference(fastest_inference(frozen), request, values.dtype)
    features = np.asarray(values, np.float32)
    return features.mean(axis=(1, 2)) if features.ndim == 4 else features.reshape(len(features), -1), 1000 * seconds


def _max_ms(params: TrainParams, num_photos: int) -> float:
    if params.minutes is None:
        return math.inf
    return 1000 * TIME_SHARE * 60 * params.minutes / (num_photos * params.views)


def _describe(candidate: str, train: TrainParams, info: DatasetInfo) -> ProbedNetwork:
    return ProbedNetwork(
        candidate=candidate, name=_display_name(candidate), input_size=train.input_size(info.image_size)
    )


def _display_name(candidate: str) -> str:
    return candidate if candidate in BACKBONES else Path(candidate).name


def _file_digest(candidate: str) -> str:
    return candidate if candidate in BACKBONES else file_sha256(Path(candidate))
