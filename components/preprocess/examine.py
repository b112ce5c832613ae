"""Examines the photos: reads them, audits each photo and the whole set, and splits them. Writes only to the cache."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.contract.artifacts.audit import AuditInfo, Check, Finding
from components.contract.artifacts.dataset import SPLITS, SplitName
from components.contract.errors import AuditError, DataError
from components.contract.params.pipeline import PreprocessParams
from components.contract.text import pluralize, printable
from components.preprocess.audit.checks import list_checks
from components.preprocess.audit.duplicates import audit_copies, find_links, note_shared_keys, split_keys
from components.preprocess.audit.findings import (
    Reporter,
    judge_photos,
    report_copies,
    report_files,
    report_photos,
    report_placeholders,
    report_set,
)
from components.preprocess.audit.mirror_pairs import find_mirror_pairs
from components.preprocess.audit.near_duplicates import find_near
from components.preprocess.audit.pixel_depth import describe_range, report_depth
from components.preprocess.audit.placeholders import find_placeholders
from components.preprocess.manifest import Record, count_reasons
from components.preprocess.scan import Scan, scan
from components.preprocess.sources.photo_set import PhotoSet, describe, describe_reading
from components.preprocess.split import assign_splits
from components.preprocess.store.pixel_cache import PixelStore

log = logging.getLogger(__name__)

SHOWN_PAIRS = 5

LEAVING = ("quarantine", "fail")

MIN_NEAR_SIDE = 32
"""In pixels. Pictures whose shorter side is below this value are only compared for equality: many of them, such as
digits, look the same although they differ."""


@dataclass(frozen=True)
class Examination:
    """The results of the examination.

    Attributes:
        scan: the result of reading the files; provides the pixels of each record.
        records: one per file that has a class, with its split or the reason why it is left out.
        info: the content of audit.json.
        mirror_pairs: pairs of classes in which mirrored photos of one class look like photos of the other class.
        seconds: the duration of the examination.
    """

    scan: Scan
    records: list[Record]
    info: AuditInfo
    mirror_pairs: tuple[tuple[str, str], ...]
    seconds: float


def examine(
    name: str, photo_set: PhotoSet, params: PreprocessParams, store: PixelStore, *, divisible: bool = True
) -> Examination:
    """Examines all files of a data set.

    Args:
        name: the name of the data.
        photo_set: the files.
        params: the section preprocess, in which no value is `auto`.
        store: the cache.
        divisible: whether to raise an error if the data cannot be split; if False, a finding reports this.

    Raises:
        DataError: a file changed while it was read, or `divisible` is True and the data cannot be split.
    """
    start = time.monotonic()
    for line in describe(photo_set):
        log.info("%s", line)
    photo_scan = scan(photo_set.files, params.size, params.resize, store, params.given_range)
    log.info("%s", _describe_reading(photo_scan.num_read, len(photo_set.files), time.monotonic() - start))
    depths = [depth for depth in photo_scan.depths if depth is not None]
    if depths and params.given_range is None:
        log.info("%s", describe_range(depths, photo_scan.pixel_range))
    records, oddities = _judge_alone(photo_scan, params)
    records, placeholders = _leave_out_placeholders(records, photo_scan, params)
    near_pairs = _find_near(records, photo_scan, params)
    links = find_links(records, near_pairs)
    copy_audit = audit_copies(records, links, params.audit)
    keys = split_keys(copy_audit.records, links, near_together=params.audit.near_duplicates != "ignore")
    records, division_finding = _divide(copy_audit.records, photo_set, params, keys, divisible=divisible)
    records = note_shared_keys(records, keys)
    copy_audit.records = records
    all_records = [*records, *photo_set.rejected]
    reporter = Reporter(all_records, params.audit)
    report_files(reporter, all_records)
    report_placeholders(reporter, records, placeholders)
    report_copies(reporter, copy_audit)
    report_photos(reporter, records, oddities)
    report_depth(reporter, records, photo_scan.depths, photo_scan.pixel_range, photo_scan.pixels)
    report_set(reporter, records, photo_set.class_names)
    mirror_pairs = find_mirror_pairs(records, photo_scan.sketches)
    findings = [
        *([division_finding] if division_finding else []),
        *_report_reading(describe_reading(photo_set)),
        *_report_mirror_pairs(mirror_pairs),
        *reporter.findings,
    ]
    checks = list_checks(records, findings, params.audit, has_given_splits=bool(photo_set.given_splits))
    info = _summarize(name, all_records, photo_set.class_names, findings, checks)
    return Examination(photo_scan, records, info, tuple(mirror_pairs), time.monotonic() - start)


def refuse_failures(info: AuditInfo, where: str) -> None:
    """Stops the run if a finding has the policy `fail`.

    Raises:
        AuditError: there are such findings; the message lists them and ends with `where`.
    """
    if info.failures:
        messages = " ".join(f"{finding.title}: {finding.message}" for finding in info.failures)
        raise AuditError(
            f"The audit of {info.name} failed: {pluralize(len(info.failures), 'finding')} with the policy fail. "
            f"{messages} {where}"
        )


def _describe_reading(num_read: int, num_files: int, seconds: float) -> str:
    if not num_read:
        return f"Files read: none; all are in the cache: {num_files:,}."
    num_cached = num_files - num_read
    cached = f"; {num_cached:,} more in the cache" if num_cached else ""
    rate = num_read / max(seconds, 1e-9)
    return f"Read {pluralize(num_read, 'file')} in {seconds:.1f} s, {rate:.0f} per second{cached}."


def _judge_alone(photo_scan: Scan, params: PreprocessParams) -> tuple[list[Record], dict[str, dict[int, str]]]:
    """Checks each photo on its own. Returns the records, with reasons for those left out, and notes by kind and row."""
    oddities = judge_photos(photo_scan.records, photo_scan.sketches, params.size, params.audit)
    judged_records = list(photo_scan.records)
    for kind, rows in oddities.items():
        if getattr(params.audit, kind) in LEAVING:
            for row, note in rows.items():
                judged_records[row] = replace(judged_records[row], reason=kind, message=note)
    return judged_records, oddities


def _leave_out_placeholders(
    records: list[Record], photo_scan: Scan, params: PreprocessParams
) -> tuple[list[Record], list[tuple[int, ...]]]:
    """Finds placeholders. Returns the records, with reasons for those left out, and the rows of each placeholder."""
    policy = params.audit.placeholders
    if policy == "ignore":
        return records, []
    groups = find_placeholders(records, photo_scan.sketches, photo_scan.pixels)
    if policy not in LEAVING:
        return records, groups
    remaining_records = list(records)
    for rows in groups:
        message = f"{len(rows):,} files in several classes show this picture."
        for row in rows:
            remaining_records[row] = replace(records[row], reason="placeholder", message=message)
    return remaining_records, groups


def _find_near(records: Sequence[Record], photo_scan: Scan, params: PreprocessParams) -> np.ndarray:
    policies = params.audit.near_duplicates, params.audit.leakage, params.audit.contradictory_labels
    sides = [min(record.native_height or 0, record.native_width or 0) for record in records]
    is_usable = [record.is_kept and side >= MIN_NEAR_SIDE for record, side in zip(records, sides, strict=True)]
    if set(policies) == {"ignore"} or not any(is_usable):
        return np.empty((0, 2), np.int64)
    start = time.monotonic()
    near_pairs = find_near(photo_scan.sketches, np.array(is_usable, bool), photo_scan.pixels)
    log.info("Compared %s photos with each other in %.1f s.", f"{sum(is_usable):,}", time.monotonic() - start)
    return near_pairs


def _divide(
    records: list[Record], photo_set: PhotoSet, params: PreprocessParams, keys: list[str], *, divisible: bool
) -> tuple[list[Record], Finding | None]:
    fractions: dict[SplitName, float] = {"validation": params.validation_fraction, "test": params.test_fraction}
    try:
        return assign_splits(records, photo_set.class_names, photo_set.given_splits, fractions, params.seed, keys), None
    except DataError as error:
        if divisible:
            raise
        return records, Finding(
            kind="division",
            policy="fail",
            title="Data that cannot be split",
            message=str(error),
            advice="No model can be trained until this is fixed.",
        )


def _report_reading(notices: Sequence[str]) -> list[Finding]:
    """A finding that contains the notices about how the data was read, if there are notices."""
    if not notices:
        return []
    return [
        Finding(
            kind="reading",
            policy="report",
            title="How the data was read",
            message=" ".join(notices),
            advice="Nothing to do if this is correct. Otherwise rename or move the folders, or pass a label file.",
        )
    ]


def _report_mirror_pairs(mirror_pairs: Sequence[tuple[str, str]]) -> list[Finding]:
    """A finding if there are classes for which training must not mirror photos."""
    if not mirror_pairs:
        return []
    names = "; ".join(f"{printable(first)} and {printable(second)}" for first, second in mirror_pairs[:SHOWN_PAIRS])
    more = f"; and {len(mirror_pairs) - SHOWN_PAIRS:,} more" if len(mirror_pairs) > SHOWN_PAIRS else ""
    return [
        Finding(
            kind="mirror_pairs",
            policy="report",
            title="Classes that are mirror images",
            message=f"Mirrored photos of one class look like photos of the other: {names}{more}. The augmentation "
            "presets do not mirror photos of this data set.",
            advice="Nothing to do. To mirror photos anyway, set train.augmentation to custom settings with "
            "horizontal_flip: true.",
        )
    ]


def _summarize(
    name: str,
    records: Sequence[Record],
    class_names: Sequence[str],
    findings: Sequence[Finding],
    checks: Sequence[Check],
) -> AuditInfo:
    counts = Counter((record.split, record.class_name) for record in records if record.is_kept)
    return AuditInfo(
        name=name,
        num_files=len(records),
        num_kept=sum(counts.values()),
        rejected=count_reasons(records),
        counts={split: {class_name: counts[split, class_name] for class_name in class_names} for split in SPLITS},
        findings=tuple(findings),
        checks=tuple(checks),
    )
