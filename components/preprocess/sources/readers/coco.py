"""Reads COCO's JSON with one category for each image; the positions of objects are ignored."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from components.contract.errors import DataError
from components.contract.params.data import ColumnNames
from components.preprocess.sources.readers.json_document import read_document
from components.preprocess.sources.readers.label_rows import (
    LabelRow,
    Labels,
    NoLabelsError,
    normalize_cell,
    refuse_several_labels,
)

SUFFIXES: Final = (".json",)


def read_images(path: Path, wanted: ColumnNames) -> Labels:
    """Reads the photos in a COCO file; an image without annotations has no label.

    Raises:
        DataError: the file is not a COCO file, or images have several categories.
    """
    del wanted  # COCO's keys are fixed
    subject = f"The label file {path}"
    tree = read_document(path)
    images, annotations, categories = (_records(tree, key) for key in ("images", "annotations", "categories"))
    if not images or not categories:
        raise NoLabelsError(
            f"{subject} must be COCO's JSON with images, annotations and categories, or a list of Label "
            "Studio's tasks; it has neither form."
        )
    names = {str(category.get("id")): normalize_cell(category.get("name")) for category in categories}
    labels: dict[str, list[str]] = {}
    for annotation in annotations:
        name = names.get(str(annotation.get("category_id")))
        if name is None:
            raise DataError(
                f"Each annotation must have a valid category; in {subject[0].lower()}{subject[1:]}, an annotation "
                f"has the category_id {annotation.get('category_id')!r}, which is not among the "
                f"ids of the categories ({len(names):,} in total)."
            )
        labels_of_image = labels.setdefault(str(annotation.get("image_id")), [])
        if name not in labels_of_image:
            labels_of_image.append(name)
    rows, several = [], {}
    for image in images:
        file_name = normalize_cell(image.get("file_name"))
        labels_of_image = labels.get(str(image.get("id")), [])
        if len(labels_of_image) > 1:
            several[str(file_name)] = labels_of_image
        rows.append(LabelRow(file_name, labels_of_image[0] if labels_of_image else None))
    refuse_several_labels(subject, several, len(images))
    notice = f"{subject} also contains positions of objects in the photos; only the class of each photo is used."
    return Labels(rows, (notice,) if any(map(_is_part, annotations)) else ())


def _is_part(annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation marks a part of the photo; a box that starts in the top left corner may cover it."""
    box = annotation.get("bbox")
    return bool(annotation.get("segmentation")) or (isinstance(box, list) and box[:2] not in ([], [0, 0]))


def _records(tree: Any, key: str) -> list[Mapping[str, Any]]:
    values = tree.get(key) if isinstance(tree, dict) else None
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
