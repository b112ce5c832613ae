"""The phases of training: which layers each one trains, on which photos or features."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import keras

from components.contract.errors import ModelError
from components.contract.params.augmentation import AugmentationParams
from components.contract.params.training import Phase, TrainParams
from components.contract.system.program import is_finish_requested
from components.contract.tracking.run import Run
from components.train.loop.batches import Batches, Examples, Photos
from components.train.loop.checkpoint import Checkpoints
from components.train.loop.deadline import Deadline
from components.train.loop.feature_files import FeatureFile
from components.train.loop.features import FeatureCache
from components.train.loop.fit import PhaseFitter
from components.train.loop.fit_result import FitResult, Watch
from components.train.loop.inference import FeatureRequest
from components.train.loop.mixup import Mixing
from components.train.network.architecture import Network
from components.train.network.freezing import Selection, frozen_part, learning_part, rate_scales, select
from components.train.setup import Photographs
from components.train.tensorflow.devices import num_devices, on_all_devices

log = logging.getLogger(__name__)

SHOWN_NAMES: Final = 3
"""The log shows this many layer names from each end of a long list."""


def train_phases(
    network: Network,
    photos: Photographs,
    params: TrainParams,
    run: Run,
    watch: Watch | None = None,
    checkpoints: Checkpoints | None = None,
    deadline: Deadline | None = None,
) -> FitResult:
    """Trains a network in place, phase by phase, then loads the weights of the best epoch.

    Args:
        network: the network with its weights loaded.
        photos: the photos for training and validation.
        params: the resolved train section.
        run: receives the metrics of each epoch.
        watch: receives the metrics of each epoch.
        checkpoints: an interrupted training run continues from them; None trains without checkpoints.
        deadline: training ends when it is reached, but not before the end of the first epoch; None for no time limit.

    Raises:
        ModelError: a phase names layers that do not exist, there is not enough memory even for one photo, the loss or a
            weight was not finite in the first epoch, or the params require gradient accumulation on several devices.
    """
    if params.accumulate > 1 and num_devices() > 1:
        raise ModelError(
            f"train.accumulate must be 1 on {num_devices()} devices; it is "
            f"{params.accumulate}. Raise train.batch_size, or select one GPU with CUDA_VISIBLE_DEVICES."
        )
    deadline = deadline or Deadline()
    with on_all_devices():
        fitter = PhaseFitter(network.model, params, run, watch, checkpoints, deadline)
        for number, phase in enumerate(params.all_phases, start=1):
            is_over = fitter.result.best_epoch and (is_finish_requested() or not deadline.allows(0.0))
            if number >= fitter.next_phase and not is_over:
                _train_phase(network, photos, params, fitter, number, phase)
    return fitter.result


def _train_phase(
    network: Network, photos: Photographs, params: TrainParams, fitter: PhaseFitter, number: int, phase: Phase
) -> None:
    ahead = features_ahead(network, photos, params, number)
    selection = select(network, phase)
    for line in describe(network, selection):
        log.info("Phase %d of %d: %s", number, len(params.all_phases), line)
    if selection.trained:
        training_examples, validation_examples, boundary = make_examples(
            network, selection, photos, phase, params, ahead
        )
        passes = params.passes_per_epoch(len(photos.training))
        if passes > 1:
            log.info("Phase %d of %d: %s", number, len(params.all_phases), _describe_passes(passes, photos, params))
        fitter.fit_in_memory(
            phase,
            learning_part(network, boundary),
            *batch_makers(network, photos, phase, params, training_examples, validation_examples),
            rate_scales(network, selection, phase.layer_decay),
        )
    fitter.next_phase = number + 1


def batch_makers(
    network: Network,
    photos: Photographs,
    phase: Phase,
    params: TrainParams,
    training_examples: Examples,
    validation_examples: Examples,
) -> tuple[Callable[[int], Batches], Callable[[int], Batches]]:
    """Returns functions that create training and validation batches of a given size."""
    mixes = phase.mixup or phase.cutmix
    make_batches = partial(Batches, multiple_of=num_devices())
    make_training = partial(
        make_batches,
        training_examples,
        shuffle_seed=params.seed,
        mixing=Mixing(phase.mixup, phase.cutmix, network.model.output.shape[-1]) if mixes else None,
        oversample=params.imbalance == "oversample",
        passes=params.passes_per_epoch(len(photos.training)),
    )
    return make_training, partial(make_batches, validation_examples)


def describe(network: Network, selection: Selection) -> Iterator[str]:
    """Describes what a phase trains, line by line."""
    model = network.model
    trained = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    yield (
        f"trains {len(selection.trained)} of {len(selection.trained) + len(selection.frozen)} layers with weights, "
        f"{trained:,} of {model.count_params():,} parameters."
    )
    for word, names in (("trained", selection.trained), ("frozen", selection.frozen)):
        if names:
            yield f"{word}: {_shortened(names)}."
    if selection.boundary is not None:
        shape = " × ".join(map(str, selection.boundary.shape[1:]))
        yield f"the freeze boundary is after {selection.boundary_name}, with {shape} values per photo."


def _describe_passes(passes: int, photos: Photographs, params: TrainParams) -> str:
    return (
        f"an epoch makes {passes} passes over the {len(photos.training)} training photos, to reach at "
        f"least {params.min_epoch_steps} steps (train.min_epoch_steps)."
    )


def _shortened(names: tuple[str, ...]) -> str:
    abbreviated = names if len(names) <= 2 * SHOWN_NAMES + 1 else (*names[:SHOWN_NAMES], "…", *names[-SHOWN_NAMES:])
    return ", ".join(abbreviated)


def make_examples(
    network: Network,
    selection: Selection,
    photos: Photographs,
    phase: Phase,
    params: TrainParams,
    ahead: tuple[Sequence[FeatureFile], Sequence[FeatureFile]] = ((), ()),
) -> tuple[Examples, Examples, keras.KerasTensor | None]:
    """Returns the training and validation examples of a phase, and the freeze boundary if the examples are features.

    Args:
        network: the network.
        selection: the layers that the phase trains.
        photos: the photos for training and validation.
        phase: the resolved phase.
        params: the resolved train section.
        ahead: features of the next phase that are computed in the same pass, from `features_ahead`.
    """
    if selection.boundary is not None:
        cache = FeatureCache(frozen_part(network, selection.boundary), params.cache_precision)
        training_request, validation_request = feature_requests(photos, phase, params)
        if cache.can_hold(training_request, validation_request):
            try:
                training_features = cache.get(training_request, ahead[0])
                return training_features, cache.get(validation_request, ahead[1]), selection.boundary
            except OSError as error:
                cache.warn_not_cached(error)
    augmentation, seed = phase.augmentation_params, params.seed
    return Photos(photos.training, augmentation, seed), Photos(photos.validation, AugmentationParams(), seed), None


def features_ahead(
    network: Network, photos: Photographs, params: TrainParams, number: int
) -> tuple[list[FeatureFile], list[FeatureFile]]:
    """Finds the features of the next phase that can be computed in the same pass as those of a phase.

    This is possible if the next phase has an earlier freeze boundary, as when the head is trained first and then also
    the last blocks: its frozen layers are frozen in this phase as well.

    Args:
        network: the network; which of its layers are trainable is changed.
        photos: the photos for training and validation.
        params: the resolved train section.
        number: the number of the phase, from 1.

    Returns:
        The files of the first views of the training and of the validation photos; empty lists if this is not possible,
        or if there is not enough space.
    """
    none: tuple[list[FeatureFile], list[FeatureFile]] = ([], [])
    if number == len(params.all_phases):
        return none
    phase, next_phase = params.all_phases[number - 1 : number + 1]
    selection, following = select(network, phase), select(network, next_phase)
    boundary = selection.boundary if selection.trained else None
    if boundary is None or following.boundary is None or boundary is following.boundary:
        return none
    if following.boundary_name not in {operation.name for operation in frozen_part(network, boundary).operations}:
        return none
    cache = FeatureCache(frozen_part(network, following.boundary), params.cache_precision)
    requests, next_requests = feature_requests(photos, phase, params), feature_requests(photos, next_phase, params)
    if not cache.has_room(*next_requests):
        return none
    training, validation = (
        cache.files(next_request)[: next_request.num_shared(request)]
        for request, next_request in zip(requests, next_requests, strict=True)
    )
    return training, validation


def feature_requests(photos: Photographs, phase: Phase, params: TrainParams) -> tuple[FeatureRequest, FeatureRequest]:
    """Returns the requests for the training and the validation features of a phase."""
    augmentation, seed = phase.augmentation_params, params.seed
    # An epoch uses one view of each photo, so there are no more views than epochs; without augmentation, one view is
    # enough, because all would be equal.
    views = min(params.views, phase.planned_epochs) if augmentation != AugmentationParams() else 1
    return (
        FeatureRequest(photos.training, f"{photos.fingerprint} train", views, augmentation, seed),
        FeatureRequest(photos.validation, f"{photos.fingerprint} validation", 1, augmentation, seed),
    )
