"""Writes the audit: audit.json for programs, audit.html for people, and the pictures of the report as files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from components.contract.artifacts.audit import AuditInfo, Check, Finding
from components.contract.artifacts.audit import Case as FindingCase
from components.contract.artifacts.dataset import SPLITS
from components.contract.image.preview import augmentation_sheet
from components.contract.pages.blocks import (
    Beside,
    Block,
    Case,
    Cases,
    Cell,
    Chart,
    Column,
    Heading,
    Mark,
    Photo,
    Section,
    Sheet,
    Table,
    Text,
    Verdict,
)
from components.contract.pages.printer import render_page
from components.contract.params.training import TrainParams
from components.contract.system.atomic_files import write_file, write_json
from components.contract.text import pluralize, printable
from components.preprocess.examine import Examination
from components.preprocess.report.samples import MAX_CLASSES, choose_samples, class_chart, write_sheet
from components.preprocess.shards import rows_of

SHEET_NAME, AUGMENTATION_NAME, CHART_NAME = "samples.jpg", "augmentation.jpg", "classes.svg"
PICTURES: Final = (SHEET_NAME, AUGMENTATION_NAME, CHART_NAME)

PREVIEWED: Final = ("light", "medium", "strong")
PREVIEW_SEED: Final = 42
OWN_LINE: Final = "params"

SHOWN_CASES: Final = 12
"""The number of cases that the report shows per finding; audit.json lists all cases."""
SHOWN_PER_CASE: Final = 6
WORDS: Final = {
    "fine": ("No problems found", "good"),
    "findings": ("Worth a look", "warn"),
    "stops": ("This stops a run", "bad"),
}
POLICY_WORDS: Final = {"report": "reported only", "quarantine": "left out", "fail": "stops the run"}

STATE_WORDS: Final = {
    "found": "has findings; see above",
    "clear": "nothing found",
    "off": "not checked:",
    "not possible": "not checked:",
    "after training": "not yet checked, because it needs a trained model; see",
}


def write_report(folder: Path, examination: Examination, training: TrainParams | None = None) -> None:
    """Writes audit.json, audit.html and the pictures; two of the pictures need training photos.

    Args:
        folder: the folder for audit.json, audit.html, classes.svg and, if there are training photos, samples.jpg and
            augmentation.jpg.
        examination: the results.
        training: the section train; its augmentation is shown before the presets. None in a pipeline step, so that a
            change to the training params does not cause the data to be prepared again.
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
    return training.augmentation if isinstance(training.augmentation, str) else "custom"


def render(folder: Path, examination: Examination) -> str:
    """Renders the report.

    Args:
        folder: the folder with the pictures.
        examination: the results.
    """
    info = examination.info
    num_left_out = info.num_files - info.num_kept
    return render_page(
        f"{info.name}: audit",
        eyebrow="Audit",
        heading=info.name,
        lead=f"{info.num_files:,} files in {len(info.counts['train'])} classes: {info.num_kept:,} photos kept, "
        f"{num_left_out:,} left out.",
        sections=[
            _verdict_section(info),
            *_finding_sections(examination),
            *_check_sections(info),
            _class_section(info),
            *_picture_sections(info, folder),
        ],
    )


def _verdict_section(info: AuditInfo) -> Section:
    word, tone = WORDS["stops" if info.failures else "findings" if info.findings else "fine"]
    blocks: list[Block] = [Verdict(word, tone, [Text(verdict_sentence(info))])]
    if info.findings:
        rows: list[list[Cell]] = [
            [finding.title, f"{finding.num_photos:,}" if finding.num_photos else "–", _policy(finding)]
            for finding in info.findings
        ]
        blocks.append(Table(["Finding", "Files", Column("What happens", "word")], rows, "All findings", style="narrow"))
    return Section("verdict", "", blocks)


def _policy(finding: Finding) -> Mark:
    return Mark(f"policy {finding.policy}", POLICY_WORDS[finding.policy])


def _finding_sections(examination: Examination) -> Iterator[Section]:
    """A section for each finding, with pictures of its first cases."""
    pixels = _shown_pixels(examination)
    for finding in examination.info.findings:
        blocks: list[Block] = [Text((f"{finding.message} ", _policy(finding))), Text(finding.advice, "soft lead")]
        if finding.cases:
            blocks.append(Cases([_case(case, pixels) for case in finding.cases[:SHOWN_CASES]]))
        num_more = len(finding.cases) - SHOWN_CASES
        if num_more > 0:
            blocks.append(Text((f"{num_more:,} more in ", Mark("code", "audit.json"), "."), "soft small"))
        yield Section(finding.kind, finding.title, blocks, finding.title)


def _case(case: FindingCase, pixels: Mapping[str, np.ndarray]) -> Case:
    photos = []
    for photo in case.photos[:SHOWN_PER_CASE]:
        split = f", {photo.split}" if photo.split else ""
        caption = (Mark("strong", printable(photo.class_name or "no class")), split)
        left_out = () if photo.kept else (" ", Mark("out", "left out"))
        path = printable(photo.path)
        pictures = [pixels[photo.path]] if photo.path in pixels else []
        photos.append(Photo(pictures, [path] * len(pictures), (*caption, *left_out), path))
    num_more = len(case.photos) - SHOWN_PER_CASE
    return Case(printable(case.note), photos, f"and {num_more:,} more" if num_more > 0 else "")


def _check_sections(info: AuditInfo) -> Iterator[Section]:
    if info.checks:
        rows = [[check.title, (f"{STATE_WORDS[check.state]} ", Mark("soft", check.detail))] for check in info.checks]
        table = Table(["Check", Column("Result", "word")], rows, "All checks")
        lead = Text("The audit runs only these checks; it does not detect other problems with the data.", "soft")
        yield Section("checks", "What was checked", [lead, table], "What was checked")


def _class_section(info: AuditInfo) -> Section:
    counts, num_classes = info.counts, len(info.counts["train"])
    extent = ""
    if num_classes > MAX_CLASSES:
        half = MAX_CLASSES // 2
        extent = f" The chart shows the {half} largest and the {half} smallest classes, the table all {num_classes:,}."
    table = Table(
        ["Class", "Train", "Validation", "Test"],
        [[printable(name), *(f"{counts[split][name]:,}" for split in SPLITS)] for name in counts["train"]],
        "Photos per class and split",
        search="Search the classes",
        foot=["All", *(f"{sum(counts[split].values()):,}" for split in SPLITS)],
    )
    rejected: list[Block] = []
    if info.rejected:
        rows = [[reason, f"{num:,}"] for reason, num in sorted(info.rejected.items())]
        rejected = [Heading("Left out"), Table(["Reason", "Files"], rows, "Files left out")]
    chart = Chart("classes", lambda: class_chart(counts), "Photos per class")
    lead = Text(f"Number of kept photos per class and split.{extent}", "soft")
    return Section("classes", "Classes", [lead, Beside([chart], [table, *rejected])], "Classes")


def _picture_sections(info: AuditInfo, folder: Path) -> Iterator[Section]:
    if (folder / SHEET_NAME).is_file():
        is_part = len(info.counts["train"]) > MAX_CLASSES
        classes = f"the first {MAX_CLASSES} classes" if is_part else "each class"
        yield Section(
            "samples",
            "Samples",
            [
                Text(f"Training photos of {classes}, as the network sees them.", "soft"),
                Sheet((folder / SHEET_NAME).read_bytes(), "Training photos of each class"),
            ],
            "Samples",
        )
    if (folder / AUGMENTATION_NAME).is_file():
        lead = (
            "Eight variants of one photo, as in the first eight epochs of training; if the training params were known, "
            "the first row shows their augmentation. If the class is no longer recognizable, choose a weaker "
            "augmentation with ",
            Mark("code", "train.augmentation"),
            ".",
        )
        description = "Variants of one photo, by row: the augmentation of the params (if known), light, medium, strong"
        sheet = Sheet((folder / AUGMENTATION_NAME).read_bytes(), description)
        yield Section("augmentation", "Augmentation", [Text(lead, "soft"), sheet], "Augmentation")


def verdict_sentence(info: AuditInfo) -> str:
    """The summary of the findings."""
    if info.failures:
        stopping = ", ".join(finding.title.lower() for finding in info.failures)
        return f"A run on this data stops before training: {stopping}."
    if not info.findings:
        num_clear = sum(check.state == "clear" for check in info.checks)
        num_others = len(info.checks) - num_clear
        return f"Checks without findings: {num_clear}. Checks that were not run, for the reasons below: {num_others}."
    num_findings = len(info.findings)
    num_left_out = sum(finding.num_photos for finding in info.findings if finding.policy == "quarantine")
    files = f" The findings that leave out photos concern {pluralize(num_left_out, 'file')}." if num_left_out else ""
    return f"{num_findings} {'finding that does' if num_findings == 1 else 'findings that do'} not stop a run.{files}"


def _shown_pixels(examination: Examination) -> dict[str, np.ndarray]:
    """The pixels of each photo in the report, by path."""
    rows = {record.path: row for row, record in enumerate(examination.records) if record.native_height is not None}
    paths = dict.fromkeys(
        photo.path
        for finding in examination.info.findings
        for case in finding.cases[:SHOWN_CASES]
        for photo in case.photos[:SHOWN_PER_CASE]
        if photo.path in rows
    )
    pixels = examination.scan.pixels([rows[path] for path in paths])
    return dict(zip(paths, pixels, strict=True))


def counts_line(info: AuditInfo) -> str:
    """The number of photos per split: `3,068 train, 341 validation, 372 test`."""
    return ", ".join(f"{sum(info.counts[split].values()):,} {split}" for split in SPLITS)


def describe_checks(checks: Sequence[Check]) -> list[str]:
    """Lines for a terminal: the checks without findings, and each check that was not run, with the reason."""
    clear_titles = [check.title for check in checks if check.state == "clear"]
    lines = [f"Checked, nothing found: {'; '.join(clear_titles)}."] if clear_titles else []
    for check in checks:
        if check.state not in ("clear", "found"):
            later = "until a model is trained; then see " if check.state == "after training" else ""
            lines.append(f"Not checked: {check.title} ({later}{check.detail.removesuffix('.')}).")
    return lines
