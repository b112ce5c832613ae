"""Opens the photos and the network for training. Tune opens the network again for each trial."""

import contextlib
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.artifacts.dataset import DatasetInfo, Split, open_split
from components.contract.errors import DataError
from components.contract.params.model import ModelParams
from components.contract.params.training import TrainParams
from components.contract.text import printable
from components.train.network.backbone import find_weights, load_weights
from components.train.network.initial_model import InitialModel, import_initial_model

if TYPE_CHECKING:
    from components.train.network.architecture import Network
    from components.train.network.shared_backbone import SharedBackbone

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Photographs:
    """The photos for training.

    Attributes:
        training: the photos that the network learns from.
        validation: the photos on which the best epoch is selected; never augmented.
        fingerprint: the fingerprint of the data set.
    """

    training: Split
    validation: Split
    fingerprint: str


@dataclass(frozen=True)
class InitialNetwork:
    """The network before training.

    Attributes:
        network: the network with its weights loaded.
        weights_sha256: the hash of the pretrained weights file; None if none was loaded.
        initial_model: the uploaded or earlier model that the params name, if any.
    """

    network: "Network"
    weights_sha256: str | None
    initial_model: InitialModel | None


def open_photographs(dataset_dir: Path, info: DatasetInfo) -> Photographs:
    """Opens the photos for training.

    Raises:
        DataError: a split that training needs is empty, or there are fewer than two classes.
        ArtifactError: the data set is damaged.
    """
    if len(info.class_names) < 2:
        raise DataError(f"Training needs photos of at least two classes; {dataset_dir} has {len(info.class_names)}.")
    for split in ("train", "validation"):
        if info.num_images(split) == 0:
            raise DataError(f"Training needs photos in the {split} split; {dataset_dir} has none there.")
    return Photographs(open_split(dataset_dir, "train"), open_split(dataset_dir, "validation"), info.fingerprint)


def settle_mirror(params: TrainParams, info: DatasetInfo) -> TrainParams:
    """Removes mirroring from the augmentation preset if mirrored photos of one class look like another class."""
    settled_params = params.without_mirror() if info.mirror_pairs else params
    if settled_params != params:
        first, second = map(printable, info.mirror_pairs[0])
        log.info(
            "train.augmentation: the preset does not mirror these photos, because mirrored photos of %s look "
            "like %s. To mirror them anyway, replace the preset with settings that include horizontal_flip: true.",
            first,
            second,
        )
    return settled_params


def open_network(
    params: TrainParams,
    info: DatasetInfo,
    *,
    use_all_devices: bool = True,
    shared_backbone: "SharedBackbone | None" = None,
) -> InitialNetwork:
    """Starts TensorFlow and builds the network that the params describe.

    Args:
        params: the resolved train section.
        info: describes the data set.
        use_all_devices: whether to build the network for training on all devices instead of one.
        shared_backbone: provides the backbone of a pretrained network if there is only one device; None always builds
            a new one.

    Raises:
        ModelError: the network cannot be built.
        WeightsError: pretrained weights are missing or do not match the network.
        UploadError: the uploaded model is rejected.
        ArtifactError: the earlier model is missing.
    """
    model, input_size = params.model, params.input_size(info.image_size)
    weights_path = _weights_path(model, input_size)
    with tempfile.TemporaryDirectory(prefix="darkroom-model-") as scratch:
        initial_model = import_initial_model(model, input_size, info.class_names, Path(scratch) / "model")
        from components.train.tensorflow.start import start_tensorflow

        start_tensorflow(params.seed)
        from components.train.network.architecture import build_network
        from components.train.tensorflow.devices import num_devices, on_all_devices

        backbone = weights_sha256 = None
        if (
            shared_backbone is not None
            and model.kind == "pretrained"
            and model.head != "imagenet"
            and num_devices() == 1
        ):
            assert model.name is not None, "the kind pretrained requires a name"
            backbone, weights_sha256 = shared_backbone.get(
                model.name, weights_path, info.image_size, input_size, params.seed
            )
        with on_all_devices() if use_all_devices else contextlib.nullcontext():
            network = build_network(
                model,
                image_size=info.image_size,
                num_classes=len(info.class_names),
                batch_size=params.batch_size,
                initial_model=initial_model,
                input_size=input_size,
                backbone=backbone,
            )
    if weights_path is not None and backbone is None:
        with_top = model.head == "imagenet"
        target = network.model if with_top else network.backbone
        weights_sha256 = load_weights(target, weights_path, str(model.name), with_top=with_top)
    return InitialNetwork(network, weights_sha256, initial_model)


def _weights_path(model: ModelParams, image_size: tuple[int, int]) -> Path | None:
    if model.name is None or model.weights is None:
        return None
    return find_weights(model.name, model.weights, image_size, with_top=model.head == "imagenet")
