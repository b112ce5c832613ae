"""Pictures of the prepared data for people: a sheet of labelled samples, and a page that shows it with the counts."""

import base64
import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from components.contract.dataset import SPLITS, DatasetInfo, read_info
from components.preprocess.manifest import Record, printable
from components.preprocess.scan import PixelSpool
from components.preprocess.shards import rows_of

SHEET_NAME: Final = "samples.jpg"
SAMPLES: Final = 8
MAX_CLASSES: Final = 40
"""More would make a sheet that nobody looks through; the page counts all."""
TILE: Final = 96
GAP: Final = 4


def choose_samples(records: Sequence[Record], class_names: Sequence[str]) -> dict[str, list[int]]:
    """Rows of training photos to show of each class, chosen by content hash."""
    chosen: dict[str, list[int]] = {name: [] for name in class_names[:MAX_CLASSES]}
    for row, record in sorted(rows_of(records, "train"), key=lambda member: member[1].image_id):
        rows = chosen.get(str(record.class_name), [])
        if len(rows) < SAMPLES:
            rows.append(row)
    return chosen


def write_sheet(path: Path, chosen: dict[str, list[int]], spool: PixelSpool) -> None:
    """A JPEG with a line of photos for each class, its name beside it."""
    step = TILE + GAP
    font = ImageFont.load_default(size=15)
    labels = [_shortened(printable(name)) for name in chosen]
    left = 4 * GAP + math.ceil(max(font.getlength(label) for label in labels))
    sheet = Image.new("RGB", (left + SAMPLES * step, GAP + len(chosen) * step), "white")
    draw = ImageDraw.Draw(sheet)
    for line, (label, rows) in enumerate(zip(labels, chosen.values(), strict=True)):
        top = GAP + line * step
        draw.text((2 * GAP, top + TILE // 2), label, fill="black", font=font, anchor="lm")
        for column, pixels in enumerate(spool.read(rows)):
            sheet.paste(_tile(pixels), (left + column * step, top))
    sheet.save(path, quality=88)


def write_page(dataset_dir: Path, page_path: Path) -> None:
    """The sheet and the counts of a prepared data set as one HTML file that stands alone."""
    info = read_info(dataset_dir)
    sheet = base64.b64encode((dataset_dir / SHEET_NAME).read_bytes()).decode()
    page_path.parent.mkdir(parents=True, exist_ok=True)
    page_path.write_text(_page(info, sheet), encoding="utf-8")


def _tile(pixels: np.ndarray) -> Image.Image:
    """A photo fitted into a tile, on light grey; tiny pictures are enlarged without being blurred."""
    photo = Image.fromarray(pixels)
    how = Image.Resampling.NEAREST if max(photo.size) < TILE else Image.Resampling.LANCZOS
    return ImageOps.pad(photo, (TILE, TILE), how, color="#eeeeee")


def _shortened(name: str, length: int = 18) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def _page(info: DatasetInfo, sheet: str) -> str:
    rows = "".join(
        f"<tr><th scope=row>{html.escape(name)}</th>"
        + "".join(f"<td>{info.counts[split].get(name, 0):,}</td>" for split in SPLITS)
        + "</tr>"
        for name in info.class_names
    )
    totals = "".join(f"<td>{info.num_images(split):,}</td>" for split in SPLITS)
    rejected = "; ".join(f"{count:,} {reason}" for reason, count in info.rejected.items()) or "none"
    title = html.escape(info.name)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}: samples</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem; color: #222; background: #fff; }}
table {{ border-collapse: collapse; }} th, td {{ padding: .2rem .9rem; text-align: right; }}
th:first-child {{ text-align: left; font-weight: 400; }} thead th, tfoot th {{ font-weight: 600; }}
thead, tfoot {{ border: solid #ccc; border-width: 1px 0; }} img {{ max-width: 100%; height: auto; }}
</style></head><body>
<h1>{title}</h1>
<p>{info.num_kept:,} photos in {len(info.class_names)} classes, prepared at {info.image_size[0]} × {info.image_size[1]}
pixels. Rejected files: {html.escape(rejected)}.</p>
<table><thead><tr><th>class</th><th>train</th><th>validation</th><th>test</th></tr></thead>
<tbody>{rows}</tbody><tfoot><tr><th>all</th>{totals}</tr></tfoot></table>
<h2>Samples</h2><img alt="Training photos of each class" src="data:image/jpeg;base64,{sheet}">
</body></html>
"""
