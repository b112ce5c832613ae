"""Photos and charts as the report on paper shows them."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

import numpy as np

from components.contract.text import printable
from components.evaluate.formatting import percent
from components.evaluate.report.model import SMALL_PIXELS, THUMBNAIL_PIXELS, Photo, thumbnail
from components.evaluate.report.spotlight import spotlight

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

GAP: Final = 3.0


def lay_out_explained_photos(
    photos: Sequence[Photo], class_names: Sequence[str], width: float, caption_style: Any
) -> "Flowable":
    """Three in a row, each beside what spoke for its answer."""
    side_points = (width / 3 - 14) / 2
    cells = []
    for photo in photos:
        pixels = [photo.pixels] if photo.heat is None else [photo.pixels, spotlight(photo.pixels, photo.heat)]
        outcome = f", taken for {class_names[photo.answer.predicted]}" if _is_wrong(photo) else ", classified correctly"
        caption = f"{class_names[photo.answer.label]}{outcome} at {percent(photo.answer.probability)}"
        cells.append(_captioned_cell(pixels, caption, side_points, THUMBNAIL_PIXELS, caption_style))
    return _lay_out_rows(cells, 3, width)


def lay_out_small_photos(
    captioned_photos: Sequence[tuple[np.ndarray, str]], width: float, caption_style: Any
) -> "Flowable":
    """Six in a row, uint8 (height, width, 3), RGB, each over its caption."""
    side_points = width / 6 - 10
    cells = [
        _captioned_cell([pixels], caption, side_points, SMALL_PIXELS, caption_style)
        for pixels, caption in captioned_photos
    ]
    return _lay_out_rows(cells, 6, width)


def fit_picture(file: io.BytesIO, width: float, height: float) -> "Flowable":
    """A picture as large as it can be within these sides."""
    from reportlab.platypus import Image

    picture = Image(file, hAlign="LEFT")
    picture._restrictSize(width, height)  # noqa: SLF001 - ReportLab has no public name for it
    return picture


def _is_wrong(photo: Photo) -> bool:
    return photo.answer.label != photo.answer.predicted


def _captioned_cell(
    pictures: Sequence[np.ndarray], caption: str, side_points: float, num_pixels: int, style: Any
) -> "list[Flowable]":
    from reportlab.platypus import Image, Paragraph, Table

    height, width = pictures[0].shape[:2]
    scale = side_points / max(height, width)
    images = [Image(io.BytesIO(thumbnail(pixels, num_pixels)[1]), width * scale, height * scale) for pixels in pictures]
    return [
        Table(
            [images],
            [side_points + GAP] * len(images),
            hAlign="LEFT",
            style=[("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 0)],
        ),
        Paragraph(escape(printable(caption)), style),
    ]


def _lay_out_rows(cells: Sequence[Any], per_row: int, width: float) -> "Flowable":
    from reportlab.platypus import Table

    rows: list[list[Any]] = [list(cells[start : start + per_row]) for start in range(0, len(cells), per_row)]
    rows[-1] += [""] * (per_row - len(rows[-1]))
    return Table(
        rows,
        [width / per_row] * per_row,
        hAlign="LEFT",
        style=[
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ],
    )
