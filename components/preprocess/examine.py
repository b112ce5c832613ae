"""Examines the photos: reads them, judges them one by one and as a set, divides them. Writes only to the cache."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.contract.artifacts.audit import AuditInfo, Finding
from components.contract.artifacts.dataset import SPLITS, SplitName
from components.contract.errors import AuditError, DataError
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.audit.duplicates import find_links, settle, split_keys
from components.preprocess.audit.findings import (
    Reporter,
    judge_photos,
    report_copies,
    report_files,
    report_photos,
    report_set,
)
from components.preprocess.audit.near_duplicates import find_near
from components.preprocess.manifest import Record, count_reasons
from components.preprocess.scan import Scan, scan
from components.preprocess.sources.photo_set import PhotoSet
from components.preprocess.split import assign_splits
from components.preprocess.store.pixel_cache import PixelStore

log = logging.getLogger(__name__)

LEAVING = ("quarantine", "fail")

MIN_NEAR_SIDE = 32
"""Of smaller pictures, such as digits, many look alike without being the same; they are compared for equality only."""


@dataclass(frozen=True)
class Examined:
    """What the examination gave.

    Attributes:
        scan: gives the pixels of the rows.
        records: one per file in a class folder, with its split and, where it is left out, the reason.
        info: what audit.json is to hold.
        seconds: what the examination took.
    """

    scan: Scan
    records: list[Record]
    info: AuditInfo
    seconds: float


def examine(
    name: str, found: PhotoSet, params: PreprocessParams, store: PixelStore, *, divisible: bool = True
) -> Examined:
    """Examines all that was found.

    Args:
        name: what the data are called.
        found: the files.
        params: without `auto`.
        store: the cache.
        divisible: whether data that cannot be divided are an error; else they are a finding.

    Raises:
        DataError: a class has too few usable photos.
    """
    started = time.monotonic()
    log.info("Found %s files in %d classes.", f"{len(found.files):,}", len(found.class_names))
    scanned = scan(found.files, params.size, params.resize, store)
    seconds = time.monotonic() - started
    log.info(
        "Read %s of them in %.1f s, %.0f a second; the others were known.",
        f"{scanned.num_read:,}",
        seconds,
        scanned.num_read / max(seconds, 1e-9),
    )
    records, oddities = _judge_alone(scanned.records, params)
    near = _find_near(records, scanned, params)
    links = find_links(records, near)
    settled = settle(records, links, params.audit)
    records, fault = _divide(
        settled.records,
        found,
        params,
        split_keys(settled.records, links, near_together=params.audit.near_duplicates != "ignore"),
        divisible=divisible,
    )
    settled.records = records
    everything = [*records, *found.rejected]
    reporter = Reporter(everything, params.audit)
    report_files(reporter, everything)
    report_copies(reporter, settled)
    report_photos(reporter, records, oddities)
    report_set(reporter, records, found.class_names)
    findings = [*([fault] if fault else []), *reporter.findings]
    info = _summarise(name, everything, found.class_names, findings)
    return Examined(scanned, records, info, time.monotonic() - started)


def refuse_failures(info: AuditInfo, where: str) -> None:
    """Ends the run where a finding is a failure.

    Raises:
        AuditError: names each such finding.
    """
    if info.failures:
        told = " ".join(f"{finding.title}: {finding.message}" for finding in info.failures)
        raise AuditError(
            f"The audit of {info.name} must pass; {len(info.failures)} of its findings stop the run. {told} {where}"
        )


def _judge_alone(records: Sequence[Record], params: PreprocessParams) -> tuple[list[Record], dict[str, dict[int, str]]]:
    """What is odd about single photos, and the records with those left out that the params name."""
    oddities = judge_photos(records, params.size, params.audit)
    judged = list(records)
    for kind, rows in oddities.items():
        if getattr(params.audit, kind) in LEAVING:
            for row, note in rows.items():
                judged[row] = replace(judged[row], reason=kind, message=note)
    return judged, oddities


def _find_near(records: Sequence[Record], scanned: Scan, params: PreprocessParams) -> np.ndarray:
    policies = params.audit.near_duplicates, params.audit.leakage, params.audit.contradictory_labels
    usable = [
        record.kept and min(record.native_height or 0, record.native_width or 0) >= MIN_NEAR_SIDE for record in records
    ]
    if set(policies) == {"ignore"} or not any(usable):
        return np.empty((0, 2), np.int64)
    started = time.monotonic()
    near = find_near(scanned.sketches, np.array(usable, bool), scanned.pixels)
    log.info("Compared %s photos with each other in %.1f s.", f"{sum(usable):,}", time.monotonic() - started)
    return near


def _divide(
    records: list[Record], found: PhotoSet, params: PreprocessParams, keys: list[str], *, divisible: bool
) -> tuple[list[Record], Finding | None]:
    fractions: dict[SplitName, float] = {"validation": params.validation_fraction, "test": params.test_fraction}
    try:
        return assign_splits(records, found.class_names, found.given_splits, fractions, params.seed, keys), None
    except DataError as error:
        if divisible:
            raise
        return records, Finding(
            kind="division",
            policy="fail",
            title="Data that cannot be divided",
            message=str(error),
            advice="Until this is mended, no model can be trained.",
        )


def _summarise(
    name: str, records: Sequence[Record], class_names: Sequence[str], findings: Sequence[Finding]
) -> AuditInfo:
    kept = Counter((record.split, record.class_name) for record in records if record.kept)
    return AuditInfo(
        name=name,
        num_files=len(records),
        num_kept=sum(kept.values()),
        rejected=count_reasons(records),
        counts={split: {class_name: kept[split, class_name] for class_name in class_names} for split in SPLITS},
        findings=tuple(findings),
    )
