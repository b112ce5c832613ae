"""Creates the findings of the audit, each with a message, photos and advice."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

import numpy as np

from components.contract.artifacts.audit import AuditedPhoto, Case, Finding
from components.contract.artifacts.dataset import SPLITS, SplitName
from components.contract.params.audit import AuditParams
from components.contract.text import join_names, pluralize, printable
from components.preprocess.audit.drift import describe_drifts
from components.preprocess.audit.duplicates import CopyAudit
from components.preprocess.audit.finding_texts import ADVICE, TITLES
from components.preprocess.audit.photo_checks import find_gray_among_color, find_low_information, find_odd_sizes
from components.preprocess.manifest import Record

BROKEN: Final = frozenset(
    (
        "unreadable",
        "truncated",
        "corrupt",
        "empty",
        "not_an_image",
        "format_not_allowed",
        "too_small",
        "too_large",
        "animated",
    )
)
"""The reason codes of files that cannot be used, regardless of the params."""

SUFFIXES: Final = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".heic": "HEIF",
    ".heif": "HEIF",
}

MAX_ASPECT: Final = 4.0
OUTLIER_SCORE: Final = 5.0
"""The modified z-score (Iglewicz and Hoaglin 1993) above which a photo is reported. The authors propose 3.5,
which would report too many photos in large data sets."""
MIN_PHOTOS_FOR_OUTLIERS: Final = 30
MAX_IMBALANCE: Final = 5.0
FEW_PHOTOS: Final = 50
TINY_CLASS: Final = 10


class Reporter:
    """Collects the findings whose policy in the params is not `ignore`."""

    def __init__(self, records: Sequence[Record], params: AuditParams):
        self._records = {record.path: record for record in records}
        self._params = params
        self.findings: list[Finding] = []

    def add(self, kind: str, message: str, cases: Iterable[tuple[Iterable[str], str]]) -> None:
        """Adds a finding, unless its policy is `ignore`.

        Args:
            kind: the name of the check in params.yaml.
            message: what was found, with numbers.
            cases: (paths, note) for each case.
        """
        policy = getattr(self._params, kind)
        if policy == "ignore":
            return
        photo_cases = tuple(Case(photos=tuple(map(self._photo, paths)), note=note) for paths, note in cases)
        finding = Finding(
            kind=kind,
            policy=policy,
            title=TITLES[kind],
            message=message,
            advice=ADVICE[kind],
            cases=photo_cases,
        )
        self.findings.append(finding)

    def _photo(self, path: str) -> AuditedPhoto:
        record = self._records[path]
        return AuditedPhoto(path=path, class_name=record.class_name, split=record.split, kept=record.is_kept)


def judge_photos(
    records: Sequence[Record], sketches: np.ndarray, image_size: tuple[int, int], params: AuditParams
) -> dict[str, dict[int, str]]:
    """Checks each photo on its own. Returns the notes by row, for each kind of finding that is not ignored.

    Args:
        records: one per file.
        sketches: uint8 (files, 32, 32), gray.
        image_size: (height, width) of the prepared photos.
        params: the policy of each kind of finding.
    """
    checks: dict[str, Callable[[Record], str | None]] = {
        "wrong_extension": _wrong_extension,
        "extreme_aspect": _extreme_aspect,
        "low_resolution": lambda record: _low_resolution(record, image_size),
    }
    notes: dict[str, dict[int, str]] = {
        kind: {row: note for row, record in enumerate(records) if record.is_kept and (note := check(record))}
        for kind, check in checks.items()
    }
    notes["brightness_outliers"] = _outliers(
        records, lambda record: float(record.brightness or 0), "brightness", both_sides=True
    )
    notes["blur_outliers"] = _outliers(
        records, lambda record: float(np.log1p(record.sharpness or 0)), "log sharpness", both_sides=False
    )
    notes["low_information"] = find_low_information(records, sketches)
    notes["odd_size"] = find_odd_sizes(records)
    notes["grayscale"] = find_gray_among_color(records)
    return {kind: rows for kind, rows in notes.items() if rows and getattr(params, kind) != "ignore"}


def _wrong_extension(record: Record) -> str | None:
    named_format = SUFFIXES.get(PurePosixPath(record.path).suffix.lower())
    return f"Its format is {record.format}." if named_format is not None and named_format != record.format else None


def _extreme_aspect(record: Record) -> str | None:
    height, width = record.native_height or 1, record.native_width or 1
    return f"{width} × {height} px." if max(height, width) > MAX_ASPECT * min(height, width) else None


def _low_resolution(record: Record, image_size: tuple[int, int]) -> str | None:
    height, width = record.native_height or 0, record.native_width or 0
    return f"{width} × {height} px." if 2 * height < image_size[0] and 2 * width < image_size[1] else None


def _outliers(
    records: Sequence[Record], figure: Callable[[Record], float], what: str, *, both_sides: bool
) -> dict[int, str]:
    rows = [row for row, record in enumerate(records) if record.is_kept]
    if len(rows) < MIN_PHOTOS_FOR_OUTLIERS:
        return {}
    values = np.array([figure(records[row]) for row in rows])
    median = float(np.median(values))
    spread = float(np.median(np.abs(values - median)))
    if spread == 0:
        return {}
    scores = 0.6745 * (values - median) / spread
    is_outlier = np.abs(scores) > OUTLIER_SCORE if both_sides else scores < -OUTLIER_SCORE
    order = np.flatnonzero(is_outlier)[np.argsort(-np.abs(scores[is_outlier]), kind="stable")]
    return {rows[place]: f"{what} {values[place]:.1f}; the median is {median:.1f}." for place in order.tolist()}


def report_files(reporter: Reporter, records: Sequence[Record]) -> None:
    """Reports files that cannot be used."""
    broken_records = [record for record in records if record.reason in BROKEN]
    if broken_records:
        reporter.add(
            "broken",
            f"{len(broken_records):,} of {pluralize(len(records), 'file')} cannot be used.",
            [([record.path], f"{record.reason}: {record.message}") for record in broken_records],
        )


def report_copies(reporter: Reporter, copy_audit: CopyAudit) -> None:
    """Reports copies of photos."""
    sentences = {
        "contradictory_labels": "{} of photos in more than one class.",
        "leakage": "{} of photos in more than one split.",
        "duplicates": "{} of identical photos.",
        "near_duplicates": "{} of near-duplicates.",
    }
    for kind, sentence in sentences.items():
        cases = copy_audit.cases[kind]
        if cases:
            groups = f"{len(cases):,} {'group' if len(cases) == 1 else 'groups'}"
            reporter.add(
                kind,
                sentence.format(groups),
                [([copy_audit.records[row].path for row in rows], f"{word}.") for rows, word in cases],
            )


def report_photos(reporter: Reporter, records: Sequence[Record], oddities: Mapping[str, Mapping[int, str]]) -> None:
    """Reports findings about individual usable photos."""
    for kind, rows in oddities.items():
        reporter.add(
            kind,
            f"{len(rows):,} of {pluralize(len(records))}.",
            [([records[row].path], note) for row, note in rows.items()],
        )


def report_placeholders(reporter: Reporter, records: Sequence[Record], groups: Sequence[Sequence[int]]) -> None:
    """Reports pictures that occur in so many classes that they cannot belong to any of them."""
    if groups:
        num_photos = sum(map(len, groups))
        pictures = "1 picture is" if len(groups) == 1 else f"{len(groups):,} pictures are"
        cases = []
        for rows in groups:
            num_classes = len({records[row].class_name for row in rows})
            classes = pluralize(num_classes, "class", "classes")
            cases.append(([records[row].path for row in rows], f"{len(rows):,} copies in {classes}."))
        reporter.add("placeholders", f"{pictures} repeated in {num_photos:,} files.", cases)


def report_set(reporter: Reporter, records: Sequence[Record], class_names: Sequence[str]) -> None:
    """Reports findings about the whole set: the numbers of photos per class, and differences between the splits."""
    members: dict[tuple[SplitName, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.is_kept and record.split is not None:
            members[record.split, str(record.class_name)].append(record)
    train = {name: len(members["train", name]) for name in class_names}
    if any(train.values()):
        for kind, message in _balance(train):
            reporter.add(kind, message, [])
    held_out = [split for split in SPLITS[1:] if any(members[split, name] for name in class_names)]
    tiny_counts = {
        name: [
            f"{len(members[split, name])} in {split}" for split in held_out if len(members[split, name]) < TINY_CLASS
        ]
        for name in class_names
    }
    tiny_classes = [f"{printable(name)} ({', '.join(counts)})" for name, counts in tiny_counts.items() if counts]
    if tiny_classes:
        reporter.add(
            "tiny_classes", f"Classes with fewer than {TINY_CLASS} photos in a split: {join_names(tiny_classes)}.", []
        )
    records_of_split = {split: [record for name in class_names for record in members[split, name]] for split in SPLITS}
    differences = [
        f"{split}: {sentence}"
        for split in SPLITS[1:]
        if records_of_split["train"] and records_of_split[split]
        for sentence in describe_drifts(records_of_split["train"], records_of_split[split], num_tests=10)
    ]
    if differences:
        reporter.add("split_drift", f"Splits differ from train: {'; '.join(differences)}.", [])


def _balance(train: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    most, least = max(train, key=lambda name: train[name]), min(train, key=lambda name: train[name])
    if train[most] > MAX_IMBALANCE * max(1, train[least]):
        ratio = train[most] / max(1, train[least])
        message = (
            f"{printable(most)} has {train[most]:,} training photos, but {printable(least)} has "
            f"{train[least]:,}: a ratio of {ratio:.1f}."
        )
        yield "imbalance", message
    small_classes = [f"{printable(name)} has {count}" for name, count in train.items() if count < FEW_PHOTOS]
    if small_classes:
        yield "few_photos", f"Classes with fewer than {FEW_PHOTOS} training photos: {join_names(small_classes)}."
