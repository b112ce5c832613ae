"""Initial models: uploaded files, and bundles of earlier runs to continue from.

Both go through the safe import (components/train/keras_import), because a bundle may also come from an untrusted
source. `inspect_model` is called before any step runs, and by the probe; `import_initial_model` is called whenever the
network is built.
"""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from components.contract.artifacts.bundle import BundleInfo, read_bundle, read_train_image_ids
from components.contract.artifacts.dataset import FULL_RANGE, open_split
from components.contract.errors import ModelError, UploadError
from components.contract.layers.backbone_facts import PixelScale
from components.contract.layers.backbones import BACKBONES
from components.contract.params.model import ModelParams
from components.contract.params.resolve import InitialModelFacts
from components.train.keras_import.facts import ImportedModel
from components.train.keras_import.importing import Expectation, import_model, inspect_upload
from components.train.keras_import.outputs.class_names import find_beside, order_outputs
from components.train.keras_import.weights_network import recognize_network
from components.train.network.earlier_bundle import find_bundle

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InitialModel:
    """An uploaded or earlier model that has passed the safe import.

    Attributes:
        folder: the folder that `import_model` wrote.
        facts: the content of import.json in this folder.
        name: the name of the network.
        pixels: the pixel range that the network expects.
        layer: the layer whose output is the input of a new head; None if the model is used unchanged.
        bundle: the bundle that the model comes from; None for an uploaded file.
        train_image_ids: the ids of the photos that the model was trained on; empty if they are unknown.
        class_order: for each class of the data, the index of the model's output; None keeps the order of the outputs.
    """

    folder: Path
    facts: ImportedModel
    name: str
    pixels: PixelScale
    layer: str | None
    bundle: BundleInfo | None
    train_image_ids: frozenset[str]
    class_order: tuple[int, ...] | None = None


def inspect_model(model: ModelParams) -> tuple[ModelParams, InitialModelFacts | None]:
    """Finds the model that the params name; returns the params with its absolute path, and facts about the model.

    Raises:
        UploadError: the file is rejected, or cannot be used with these params.
        ArtifactError: no such bundle exists.
        TrackingError: MLflow did not return the bundle.
        ModelError: the pixel range is neither known nor set in the params.
        WeightsError: the params name no network, and the weights file matches no known network.
    """
    if model.described_kind == "upload":
        path = _file(model)
        facts = inspect_upload(path, expected=Expectation(architecture=model.name))
        model, label_notes = find_class_names(model, facts, path)
        given_model = _given(facts, model, path.name, BACKBONES[model.name].size if model.name else 224)
        given_model = given_model.model_copy(update={"decisions": (*given_model.decisions, *label_notes)})
        return model.model_copy(update={"path": str(path)}), given_model
    if model.described_kind == "bundle":
        folder = find_bundle(str(model.from_))
        bundle = read_bundle(folder)
        given_model = InitialModelFacts(
            display_name=f"the model {model.from_}",
            image_size=bundle.image_size,
            pixel_range="auto" if bundle.pixel_range == FULL_RANGE else bundle.pixel_range,
            features=None,
            decisions=(
                f"train.model.from: {model.from_} is {bundle.model.name} at {folder}, trained on "
                f"{bundle.dataset_name}.",
            ),
        )
        return model.model_copy(update={"from_": str(folder)}), given_model
    if model.has_weights_file:
        path = Path(str(model.weights)).expanduser().absolute()
        model = model.model_copy(update={"weights": str(path)})
        return _with_name(model, path) if model.name is None else (model, None)
    return model, None


def _with_name(model: ModelParams, path: Path) -> tuple[ModelParams, InitialModelFacts]:
    """Recognizes the network that a weights file belongs to, and writes its name into the params."""
    name = recognize_network(path)
    decision = f"train.model.name: {path.name} contains {name}'s {BACKBONES[name].num_parameters:,} parameters."
    facts = InitialModelFacts(display_name=path.name, image_size=None, features=None, decisions=(decision,))
    return model.model_copy(update={"name": name}), facts


def import_initial_model(
    model: ModelParams, image_size: tuple[int, int], class_names: tuple[str, ...] | None, folder: Path
) -> InitialModel | None:
    """Passes the model that the params name through the safe import.

    Args:
        model: the resolved params of the model.
        image_size: (height, width) of the model's input in this training run.
        class_names: the class names of the data; None if any classes are allowed.
        folder: the folder for Darkroom's copy of the model; this function creates it.

    Returns:
        The imported model; None if the params name no model.

    Raises:
        UploadError: the model is rejected, or cannot be used with these params.
        ArtifactError: no such bundle exists.
        ModelError: the model needs photos of a different size, or the pixel range is neither known nor set.
    """
    if model.kind == "upload":
        path, bundle, train_image_ids = _file(model), None, frozenset[str]()
        as_it_is = model.head is None and model.layer is None
        name = model.name or re.sub(r"\W+", "_", path.stem)
    elif model.kind == "bundle":
        earlier = find_bundle(str(model.from_))
        path, bundle, train_image_ids = (
            earlier / "model.keras",
            read_bundle(earlier),
            read_train_image_ids(earlier) or frozenset(),
        )
        as_it_is = model.head is None and model.layer is None and class_names in (None, bundle.class_names)
        name = bundle.model.name
        if model.head is None and not as_it_is:
            log.info(
                "The model gets a new head: %s.",
                "train.model.layer is set" if model.layer else "the classes have changed",
            )
    else:
        return None
    expected = Expectation(
        num_classes=len(class_names) if as_it_is and class_names else None,
        architecture=model.name,
        image_size=image_size if model.name else None,
    )
    facts = import_model(path, folder, expected=expected)
    check_size(facts, image_size, path)
    pixels: PixelScale = "0 to 255"  # the network in a bundle scales its pixels itself
    if bundle is None:
        pixels, why = pixel_scale(facts, model.pixels, path.name)
        log.info("The pixel range of %s is %s. %s", path.name, pixels, why)
    layer = None if as_it_is else model.layer or facts.feature_layer
    model_classes = (model.class_names or facts.class_names) if bundle is None and as_it_is else None
    class_order = order_outputs(model_classes, class_names, path.name) if model_classes and class_names else None
    if class_order is not None and class_order != tuple(range(len(class_order))):
        log.info("The outputs of %s are reordered to match the classes of the data.", path.name)
    return InitialModel(folder, facts, name, pixels, layer, bundle, train_image_ids, class_order)


def warn_of_training_photos(train_image_ids: frozenset[str], dataset_dir: Path) -> None:
    """Warns if an earlier model was trained on photos of the validation or test split."""
    for name in ("validation", "test") if train_image_ids else ():
        learned_ids = train_image_ids.intersection(open_split(dataset_dir, name).image_ids)
        if learned_ids:
            log.warning(
                "The earlier model was trained on %d of the %s photos, so metrics on them are too "
                "optimistic. Use the same split as for the earlier model.",
                len(learned_ids),
                name,
            )


def pixel_scale(facts: ImportedModel, requested_scale: PixelScale | None, display_name: str) -> tuple[PixelScale, str]:
    """Returns the pixel range that a network expects, and how it is known.

    Args:
        facts: the facts about the network.
        requested_scale: the pixel range in the params; None if it is not set.
        display_name: the name of the network in the message.

    Raises:
        ModelError: neither the params nor the network determines the pixel range.
    """
    inferred = facts.preprocessing
    if requested_scale is not None:
        return requested_scale, "It is set in the params."
    if inferred is not None and inferred.is_certain:
        return inferred.pixels, inferred.why
    likely = f' Most likely: --set train.model.pixels="{inferred.pixels}". {inferred.why}' if inferred else ""
    raise ModelError(
        f"train.model.pixels must be the pixel range on which {display_name} was trained (0 to 255, -1 to 1, "
        "0 to 1, ImageNet mean and deviation, or BGR less ImageNet mean), because the network does not scale "
        f"the pixels itself.{likely}"
    )


def _file(model: ModelParams) -> Path:
    return Path(str(model.path)).expanduser().absolute()


def find_class_names(model: ModelParams, facts: ImportedModel, path: Path) -> tuple[ModelParams, tuple[str, ...]]:
    """If the model is used unchanged, adds its class names to the params; also returns notes about their order.

    Raises:
        UploadError: the number of classes does not match the outputs.
    """
    if model.head is not None or model.layer is not None or facts.num_outputs is None:
        return model, ()
    num_classes = 2 if facts.num_outputs == 1 else facts.num_outputs
    class_names, source = model.class_names or facts.class_names, f"in {path.name}"
    if class_names is None and (beside := find_beside(path)) is not None:
        source, class_names = f"in {beside[0]}", beside[1]
    if class_names is None:
        return model, (
            f"train.model.class_names: the outputs of {path.name} are assumed to be in the alphabetical "
            "order of the classes; set the names if the order is different.",
        )
    if len(class_names) != num_classes:
        raise UploadError(
            f"The classes must match the outputs of the model; {path.name} distinguishes {num_classes} classes, "
            f"but {len(class_names)} are listed "
            f"{'in the params' if model.class_names else source}. Set train.model.class_names."
        )
    if model.class_names is not None:
        return model, ()
    names = ", ".join(class_names[:8]) + (" …" if len(class_names) > 8 else "")
    return model.model_copy(update={"class_names": class_names}), (
        f"train.model.class_names: the outputs are {names}, as listed {source}.",
    )


def _given(facts: ImportedModel, model: ModelParams, display_name: str, usual_size: int) -> InitialModelFacts:
    pixels, why = pixel_scale(facts, model.pixels, display_name)
    height, width, _ = facts.input_shape
    size = None if height is None or width is None else (height, width)
    decisions = [f"train.model: {display_name} is {facts.form}; its pixel range is {pixels}. {why}"]
    shapes = {layer.name: layer.output_shape for layer in facts.layers}
    layer = model.layer or facts.feature_layer
    if model.head is None and model.layer is None:
        if facts.num_outputs is None:
            raise ModelError(f"{display_name} has no classification head; add one: --set train.model.head=linear.")
        decisions.append(f"train.model.head: {display_name} is used unchanged; outputs per photo: {facts.num_outputs}.")
    else:
        decisions.append(f"train.model.layer: the new head follows the layer {layer} of {display_name}.")
    features = shapes.get(layer) if size is not None else None
    return InitialModelFacts(
        display_name=display_name,
        image_size=size,
        usual_size=usual_size,
        features=features,
        decisions=tuple(decisions),
    )


def check_size(facts: ImportedModel, image_size: tuple[int, int], path: Path) -> None:
    """Requires that a model accepts photos of this size.

    Raises:
        ModelError: the model needs a different size.
    """
    for side, own in zip(image_size, facts.input_shape[:2], strict=True):
        if own not in (None, side):
            required_size = " × ".join("any" if side is None else str(side) for side in facts.input_shape[:2])
            raise ModelError(
                f"{path.name} needs photos of {required_size} px, but those of the data set are "
                f"{image_size[0]} × {image_size[1]} px. Set preprocess.image_size: auto."
            )
