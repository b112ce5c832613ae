"""Lists all checks of the audit, each with its state and, if it was not run, the reason."""

from collections.abc import Mapping, Sequence
from typing import Final

from components.contract.artifacts.audit import Check, Finding
from components.contract.params.audit import AuditParams
from components.preprocess.audit.finding_texts import TITLES
from components.preprocess.audit.findings import MIN_PHOTOS_FOR_OUTLIERS
from components.preprocess.audit.photo_checks import MAX_GRAY_CHROMA, MAX_GRAY_SHARE, MIN_PHOTOS
from components.preprocess.audit.placeholders import MIN_SIDE
from components.preprocess.manifest import Record

AFTER_TRAINING: Final = {
    "label_errors": ("Photos that fit another class better", "label_errors.csv and the evaluation report"),
    "outliers": ("Photos unlike all others", "outliers.csv and the evaluation report"),
}


def list_checks(
    records: Sequence[Record], findings: Sequence[Finding], params: AuditParams, *, has_given_splits: bool
) -> list[Check]:
    """Lists all checks: first those in params.yaml, in the same order, then those that need a trained model.

    Args:
        records: one per file.
        findings: the findings of the audit.
        params: the policy of each check.
        has_given_splits: whether the data came with its own splits.
    """
    found_kinds = {finding.kind for finding in findings}
    obstacles = _find_obstacles(records, has_given_splits=has_given_splits)
    checks = []
    for kind in type(params).model_fields:
        detail = obstacles.get(kind, "")
        if getattr(params, kind) == "ignore":
            checks.append(Check(kind=kind, title=TITLES[kind], state="off", detail=f"preprocess.audit.{kind}: ignore"))
        elif kind in found_kinds:
            checks.append(Check(kind=kind, title=TITLES[kind], state="found"))
        else:
            checks.append(
                Check(kind=kind, title=TITLES[kind], state="not possible" if detail else "clear", detail=detail)
            )
    return checks + [
        Check(kind=kind, title=title, state="after training", detail=place)
        for kind, (title, place) in AFTER_TRAINING.items()
    ]


def _find_obstacles(records: Sequence[Record], *, has_given_splits: bool) -> Mapping[str, str]:
    """For each kind of check that cannot be run on this data, the reason."""
    kept_records = [record for record in records if record.is_kept]
    obstacles = {}
    for kind, num_needed in (
        ("brightness_outliers", MIN_PHOTOS_FOR_OUTLIERS),
        ("blur_outliers", MIN_PHOTOS_FOR_OUTLIERS),
        ("odd_size", MIN_PHOTOS),
    ):
        if len(kept_records) < num_needed:
            obstacles[kind] = f"This check needs {num_needed} photos; the data has {len(kept_records)}."
    num_gray = sum((record.chroma or 0) <= MAX_GRAY_CHROMA for record in kept_records)
    if kept_records and num_gray >= MAX_GRAY_SHARE * len(kept_records):
        obstacles["grayscale"] = f"At least half of the photos are gray: {num_gray:,} of {len(kept_records):,}."
    num_tiny = sum(min(record.native_height or 0, record.native_width or 0) < MIN_SIDE for record in kept_records)
    if kept_records and num_tiny == len(kept_records):
        obstacles["near_duplicates"] = f"Photos with a side below {MIN_SIDE} px are only compared for equality."
    if not has_given_splits:
        obstacles["leakage"] = "The data had no splits, and Darkroom keeps copies in the same split."
    if not all(any(record.split == split for record in kept_records) for split in ("train", "validation", "test")):
        obstacles |= dict.fromkeys(("tiny_classes", "split_drift"), "The data does not have all three splits.")
    return obstacles
