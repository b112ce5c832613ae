"""The audit as files: audit.json for programs, audit.html for people, and the pictures in it as files of their own."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from components.contract.artifacts.audit import AuditInfo, Check
from components.contract.artifacts.dataset import SPLITS
from components.contract.image.preview import augmentation_sheet
from components.contract.pages.environment import new_environment
from components.contract.pages.parts import PAGE_PARTS_DIR
from components.contract.params.training import TrainParams
from components.contract.system.atomic_files import write_file, write_json
from components.contract.text import printable
from components.preprocess.examine import Examination
from components.preprocess.report.samples import MAX_CLASSES, choose_samples, class_chart, write_sheet
from components.preprocess.shards import rows_of

TEMPLATES_DIR: Final = Path(__file__).parent / "templates"
SHEET_NAME, AUGMENTATION_NAME, CHART_NAME = "samples.jpg", "augmentation.jpg", "classes.svg"
PICTURES: Final = (SHEET_NAME, AUGMENTATION_NAME, CHART_NAME)

PREVIEWED: Final = ("light", "medium", "strong")
PREVIEW_SEED: Final = 42
OWN_LINE: Final = "params"

SHOWN_CASES: Final = 12
"""Of each finding; audit.json names all."""
SHOWN_PER_CASE: Final = 6
THUMBNAIL_PIXELS: Final = 224
TINY_PIXELS: Final = 96
"""Pictures up to this size are shown with visible pixels."""

POLICY_WORDS: Final = {"report": "told only", "quarantine": "left out", "fail": "stops the run"}

STATE_WORDS: Final = {
    "found": "found: see above",
    "clear": "nothing found",
    "off": "not checked:",
    "not possible": "not checked:",
    "after training": "not yet, it needs a trained model:",
}


def write_report(folder: Path, examination: Examination, training: TrainParams | None = None) -> None:
    """Writes audit.json, audit.html, and the pictures as far as there are training photos to show.

    Args:
        folder: audit.json  audit.html  samples.jpg  augmentation.jpg  classes.svg
        examination: what was found.
        training: whose own augmentation is shown before the presets; None where it plays no part. The step of a
            pipeline does not know it: data are not prepared again because training changes.
    """
    info, records = examination.info, examination.records
    class_names = tuple(info.counts["train"])
    (folder / CHART_NAME).write_text(class_chart(info.counts), encoding="utf-8")
    train = rows_of(records, "train")
    if train:
        write_sheet(folder / SHEET_NAME, choose_samples(records, class_names), examination.scan)
        row, record = min(train, key=lambda member: member[1].image_id)
        presets = {name: TrainParams(augmentation=name) for name in PREVIEWED}
        shown_params = ({f"{OWN_LINE}: {_name_of(training)}": training} if training else {}) | presets
        if examination.mirror_pairs:
            shown_params = {name: params.without_mirror() for name, params in shown_params.items()}
        augmentations = {name: params.augmentation_params for name, params in shown_params.items()}
        seed = training.seed if training else PREVIEW_SEED
        sheet = augmentation_sheet(examination.scan.pixels([row])[0], record.image_id, augmentations, seed)
        sheet.save(folder / AUGMENTATION_NAME, quality=88)
    write_json(folder / "audit.json", info)
    write_file(folder / "audit.html", render(folder, examination).encode())


def _name_of(training: TrainParams) -> str:
    return training.augmentation if isinstance(training.augmentation, str) else "your own"


def render(folder: Path, examination: Examination) -> str:
    """The page.

    Args:
        folder: holds the pictures.
        examination: what was found.
    """
    from markupsafe import Markup

    environment = new_environment([TEMPLATES_DIR, PAGE_PARTS_DIR])
    environment.filters |= {"count": lambda number: f"{number:,}", "printable": printable}
    info = examination.info
    thumbnails, tiny = _thumbnails(examination)
    return environment.get_template("audit.html.j2").render(
        audit=info,
        verdict="stops" if info.failures else "findings" if info.findings else "fine",
        sentence=verdict_sentence(info),
        words=POLICY_WORDS,
        states=STATE_WORDS,
        thumbnails=thumbnails,
        tiny=tiny,
        shown=SHOWN_CASES,
        per_case=SHOWN_PER_CASE,
        sheet_classes=MAX_CLASSES,
        chart=Markup(class_chart(info.counts)),  # noqa: S704 - the chart escapes the names of the classes
        sheet=_embed_picture(folder / SHEET_NAME),
        augmentation=_embed_picture(folder / AUGMENTATION_NAME),
    )


def verdict_sentence(info: AuditInfo) -> str:
    """What the findings come to."""
    if info.failures:
        stopping = ", ".join(finding.title.lower() for finding in info.failures)
        return f"A run on these data ends before training: {stopping}."
    if not info.findings:
        num_clear = sum(check.state == "clear" for check in info.checks)
        num_others = len(info.checks) - num_clear
        return f"{num_clear} checks found nothing; {num_others} others were not made, for the reasons below."
    num_findings = len(info.findings)
    num_left_out = sum(finding.num_photos for finding in info.findings if finding.policy == "quarantine")
    files = f" {num_left_out:,} files are concerned by those that leave photos out." if num_left_out else ""
    return f"{num_findings} {'finding' if num_findings == 1 else 'findings'}, none of which stops a run.{files}"


def _thumbnails(examination: Examination) -> tuple[dict[str, str], bool]:
    """A picture for each photo that the page names, by path; whether they are tiny."""
    rows = {record.path: row for row, record in enumerate(examination.records) if record.native_height is not None}
    paths = dict.fromkeys(
        photo.path
        for finding in examination.info.findings
        for case in finding.cases[:SHOWN_CASES]
        for photo in case.photos[:SHOWN_PER_CASE]
        if photo.path in rows
    )
    pixels = examination.scan.pixels([rows[path] for path in paths])
    tiny = bool(len(pixels)) and max(pixels.shape[1:3]) <= TINY_PIXELS
    return {path: _data_uri(photo, tiny=tiny) for path, photo in zip(paths, pixels, strict=True)}, tiny


def _data_uri(pixels: np.ndarray, *, tiny: bool) -> str:
    """A small picture to stand inside the page: PNG where it is tiny, else a JPEG of at most THUMBNAIL_PIXELS."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if not tiny:
        image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    file = io.BytesIO()
    kind = "png" if tiny else "jpeg"
    image.save(file, kind, **({} if tiny else {"quality": 80}))
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _embed_picture(path: Path) -> str | None:
    if not path.is_file():
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"


def counts_line(info: AuditInfo) -> str:
    """`3,068 train, 341 validation, 372 test`."""
    return ", ".join(f"{sum(info.counts[split].values()):,} {split}" for split in SPLITS)


def describe_checks(checks: Sequence[Check]) -> list[str]:
    """What was checked without a finding, and what was not checked and why: a line each, for a terminal."""
    clear_titles = [check.title for check in checks if check.state == "clear"]
    lines = [f"Checked, nothing found: {'; '.join(clear_titles)}."] if clear_titles else []
    for check in checks:
        if check.state not in ("clear", "found"):
            later = "until a model is trained: then see " if check.state == "after training" else ""
            lines.append(f"Not checked: {check.title} ({later}{check.detail.removesuffix('.')}).")
    return lines
