"""What a training starts from: the photos, and the network with its weights loaded. Tune opens it for each trial."""

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.artifacts.dataset import DatasetInfo, Split, open_split
from components.contract.errors import DataError
from components.contract.params.model import ModelParams
from components.contract.params.training import TrainParams
from components.train.network.backbone import find_weights, load_weights
from components.train.network.initial_model import Brought, bring

if TYPE_CHECKING:
    from components.train.network.architecture import Network
    from components.train.network.shared_backbone import SharedBackbone


@dataclass(frozen=True)
class Photographs:
    """The photos of a training.

    Attributes:
        training: to learn from.
        validation: to choose the epoch by; never augmented.
        fingerprint: of the data set.
    """

    training: Split
    validation: Split
    fingerprint: str


@dataclass(frozen=True)
class Opened:
    """A network to be trained.

    Attributes:
        network: its weights loaded.
        weights_sha256: of the file of pretrained weights, where one was loaded.
        brought: the model that the params bring, where they do.
    """

    network: "Network"
    weights_sha256: str | None
    brought: Brought | None


def open_photographs(dataset_dir: Path, info: DatasetInfo) -> Photographs:
    """The photos that training needs.

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


def open_network(
    params: TrainParams, info: DatasetInfo, *, shared: bool = True, in_common: "SharedBackbone | None" = None
) -> Opened:
    """Starts TensorFlow and builds the network that the params describe.

    Args:
        params: resolved.
        info: of the data set.
        shared: whether all devices train it; else one does.
        in_common: gives the backbone, where one device trains, to all who are opened with it, one after the other.

    Raises:
        ModelError: the network cannot be built.
        WeightsError: pretrained weights are missing or belong to another network.
        UploadError: the uploaded model is refused.
        ArtifactError: the earlier model is missing.
    """
    model, seen = params.model, params.input_size(info.image_size)
    weights_path = _weights_path(model, seen)
    with tempfile.TemporaryDirectory(prefix="darkroom-model-") as scratch:
        brought = bring(model, seen, info.class_names, Path(scratch) / "model")
        from components.train.tensorflow.start import start_tensorflow

        start_tensorflow(params.seed)
        from components.train.network.architecture import build_network
        from components.train.tensorflow.devices import num_devices, on_all_devices

        backbone = weights_sha256 = None
        if in_common is not None and model.kind == "pretrained" and model.head != "imagenet" and num_devices() == 1:
            assert model.name is not None, "kind pretrained has a name"
            backbone, weights_sha256 = in_common.get(model.name, weights_path, info.image_size, seen, params.seed)
        with on_all_devices() if shared else contextlib.nullcontext():
            network = build_network(
                model,
                image_size=info.image_size,
                num_classes=len(info.class_names),
                batch_size=params.batch_size,
                brought=brought,
                input_size=seen,
                backbone=backbone,
            )
    if weights_path is not None and backbone is None:
        with_top = model.head == "imagenet"
        loaded = network.model if with_top else network.backbone
        weights_sha256 = load_weights(loaded, weights_path, str(model.name), with_top=with_top)
    return Opened(network, weights_sha256, brought)


def _weights_path(model: ModelParams, image_size: tuple[int, int]) -> Path | None:
    if model.name is None or model.weights is None:
        return None
    return find_weights(model.name, model.weights, image_size, with_top=model.head == "imagenet")
