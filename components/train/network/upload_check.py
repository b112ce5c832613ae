"""Checks whether the safe import accepts a model file, and whether train can use it with the given params."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from components.contract.errors import ModelError, UploadError
from components.contract.params.model import ModelParams
from components.contract.record import BaseRecord
from components.contract.validation_messages import nearest
from components.train.keras_import.facts import ImportedModel
from components.train.keras_import.graph import Graph
from components.train.keras_import.importing import Expectation, check_classes, import_model
from components.train.keras_import.loading import open_imported
from components.train.keras_import.outputs.class_names import order_outputs
from components.train.keras_import.outputs.output_layer import as_logits, find_columns
from components.train.network.initial_model import check_size, find_class_names, pixel_scale


class Report(BaseRecord):
    """Whether an upload can be used, and if not, why.

    Attributes:
        accepted: whether the safe import accepts the upload.
        reason: why the safe import rejects it; None if it is accepted.
        model: the facts about the imported model; None if it is rejected.
        train_refusals: the reasons why train would reject the model with these params; each names the param to set.
        seconds: the duration of the check.
    """

    accepted: bool
    reason: str | None
    model: ImportedModel | None
    train_refusals: tuple[str, ...] = ()
    seconds: float


def check_upload(
    path: Path,
    model: ModelParams,
    *,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    image_size: tuple[int, int] | None = None,
) -> Report:
    """Imports a file as train does, and looks for everything else that train would reject; leaves no files behind.

    Args:
        path: the file.
        model: the params of the model.
        num_classes: the number of classes in the data; None if unknown.
        class_names: the class names in the data; None if unknown.
        image_size: (height, width) of the photos; None if unknown.
    """
    start = time.monotonic()
    expected = Expectation(architecture=model.name, image_size=image_size if model.name else None)
    with tempfile.TemporaryDirectory(prefix="darkroom-check-") as scratch:
        folder = Path(scratch) / "model"
        try:
            facts = import_model(path, folder, expected=expected)
        except ModelError as error:
            return Report(accepted=False, reason=str(error), model=None, seconds=time.monotonic() - start)
        with open_imported(folder) as (plan, _):
            refusals = tuple(_list_refusals(plan.graph, facts, path, model, num_classes, class_names, image_size))
        seconds = time.monotonic() - start
    return Report(accepted=True, reason=None, model=facts, train_refusals=refusals, seconds=seconds)


def _list_refusals(
    graph: Graph,
    facts: ImportedModel,
    path: Path,
    model: ModelParams,
    num_classes: int | None,
    class_names: Sequence[str] | None,
    image_size: tuple[int, int] | None,
) -> Iterator[str]:
    def check_outputs() -> None:
        named_model, _ = find_class_names(model, facts, path)
        names, count = named_model.class_names, len(class_names) if class_names else num_classes
        assert facts.num_outputs is not None, "the caller must check that the model has a classification head"
        if count is not None:
            check_classes(facts.output_shape, count)
        order = order_outputs(names, class_names, path.name) if names and class_names else None
        own_count = 2 if facts.num_outputs == 1 else facts.num_outputs
        as_logits(graph, find_columns(facts.num_outputs, count or own_count, order))

    def check_layer() -> None:
        names = list(_layer_names(graph))
        if model.layer is not None and model.layer not in names:
            raise UploadError(
                f"train.model.layer must be a layer of {path.name}; it has no layer "
                f"{model.layer!r}{nearest(model.layer, names[-8:])}."
            )

    def check_photos() -> None:
        if image_size is not None:
            check_size(facts, image_size, path)

    checks: list[Callable[[], object]] = [lambda: pixel_scale(facts, model.pixels, path.name), check_photos]
    if model.head is not None or model.layer is not None:
        checks.append(check_layer)
    elif facts.num_outputs is None:
        yield f"{path.name} has no classification head; add one: --set train.model.head=linear."
    else:
        checks.append(check_outputs)
    for check in checks:
        try:
            check()
        except ModelError as error:
            yield str(error)


def _layer_names(graph: Graph) -> Iterator[str]:
    for layer in graph.layers:
        yield layer.name
        if layer.model is not None:
            yield from _layer_names(layer.model)
