"""Lays out the photos in the PDF report."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from components.contract.pages.blocks import Photo, plain
from components.contract.pages.pictures import SMALL_PIXELS, THUMBNAIL_PIXELS, thumbnail
from components.contract.text import printable

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

GAP: Final = 3.0
MOST_PHOTOS: Final = 12


def lay_out_photos(photos: Sequence[Photo], per_row: int, width: float, caption_style: Any) -> "Flowable":
    """Arranges the first MOST_PHOTOS photos in rows, each above its caption.

    Args:
        photos: at least one.
        per_row: photos in one row.
        width: width of a row, in points.
        caption_style: the ReportLab paragraph style of the captions.
    """
    from reportlab.platypus import Table

    cells = [_captioned_cell(photo, width / per_row, caption_style) for photo in photos[:MOST_PHOTOS]]
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


def fit_picture(file: io.BytesIO, width: float, height: float) -> "Flowable":
    """A picture, made as large as possible within this width and height."""
    from reportlab.platypus import Image

    picture = Image(file, hAlign="LEFT")
    picture._restrictSize(width, height)  # noqa: SLF001 - ReportLab has no public method for this
    return picture


def _captioned_cell(photo: Photo, cell_width: float, style: Any) -> "list[Flowable]":
    from reportlab.platypus import Image, Paragraph, Table

    num_pictures = len(photo.pictures)
    side = (cell_width - 10) / num_pictures - GAP
    height, width = photo.pictures[0].shape[:2]
    scale = side / max(height, width)
    num_pixels = THUMBNAIL_PIXELS if num_pictures > 1 else SMALL_PIXELS
    images = [
        Image(io.BytesIO(thumbnail(pixels, num_pixels)[1]), width * scale, height * scale) for pixels in photo.pictures
    ]
    return [
        Table(
            [images],
            [side + GAP] * num_pictures,
            hAlign="LEFT",
            style=[("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 0)],
        ),
        Paragraph(escape(printable(plain(photo.caption))), style),
    ]
