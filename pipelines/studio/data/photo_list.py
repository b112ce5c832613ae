"""Lists the photos of the chosen data with the results of their audit, filtered by class, text, finding and split."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from pydantic import Field

from components.contract.artifacts.audit import AuditInfo, read_audit
from components.contract.artifacts.dataset import SPLITS, SplitName
from components.contract.errors import ArtifactError, DataError
from components.contract.record import BaseRecord
from components.preprocess.manifest import Record, read_manifest
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.split import assign_splits
from pipelines.data.audit import MANIFEST_FILE

MAX_PAGE: Final = 500
SHOWN_MOVES: Final = 60
LEFT_OUT: Final = "left out"
"""Shown instead of a split for photos that the audit leaves out."""


class PhotoRow(BaseRecord):
    """A photo in the list.

    Attributes:
        split: its split according to the audit, or LEFT_OUT; None before the audit.
        findings: the kinds of findings that contain the photo.
    """

    path: str
    class_name: str
    split: str | None
    findings: tuple[str, ...]


class PhotoPage(BaseRecord):
    """One page of the photos that match a filter.

    Attributes:
        total: the number of matching photos.
        finding_kinds: the titles of the findings that contain photos, by kind.
        has_splits: whether the photos have been split.
    """

    total: int
    photos: tuple[PhotoRow, ...]
    finding_kinds: dict[str, str]
    has_splits: bool


class Division(BaseRecord):
    """How the photos would be split with different fractions.

    Attributes:
        counts: the number of photos, by split and class.
        num_moved: the number of photos whose split would change.
        moves: (path, current split, new split) for the first SHOWN_MOVES of the photos whose split would change.
        given: the splits that the data itself defines, which are kept.
        fault: why the photos cannot be split in this way; None if they can.
    """

    counts: dict[SplitName, dict[str, int]] = Field(default_factory=dict)
    num_moved: int = 0
    moves: tuple[tuple[str, str, str], ...] = ()
    given: tuple[str, ...] = ()
    fault: str | None = None


def list_photos(files: Mapping[str, PhotoFile], audit_dir: Path, query: Mapping[str, str], offset: int) -> PhotoPage:
    """Returns one page of the matching photos, sorted by path.

    Args:
        files: all photos by their paths.
        audit_dir: the folder of the audit of these photos; it may not exist yet.
        query: the filters `class`, `text`, `finding` and `split`; a missing or empty filter matches all photos.
        offset: the position of the page's first photo among the matching photos.
    """
    kinds, titles = _read_findings(audit_dir)
    splits = read_splits(audit_dir)
    paths = list(_match(files, kinds, splits, query))
    photos = tuple(
        PhotoRow(
            path=path,
            class_name=str(files[path].record.class_name),
            split=splits.get(path),
            findings=tuple(sorted(kinds.get(path, ()))),
        )
        for path in paths[offset : offset + MAX_PAGE]
    )
    return PhotoPage(
        total=len(paths),
        photos=photos,
        finding_kinds=titles,
        has_splits=any(split in SPLITS for split in splits.values()),
    )


def _match(
    files: Mapping[str, PhotoFile],
    kinds: Mapping[str, set[str]],
    splits: Mapping[str, str],
    query: Mapping[str, str],
) -> Iterator[str]:
    class_name, finding, split = (query.get(key, "") for key in ("class", "finding", "split"))
    text = query.get("text", "").strip().casefold()
    for path in sorted(files):
        photo_class, photo_kinds = str(files[path].record.class_name), kinds.get(path, set())
        if class_name not in ("", photo_class) or (finding and finding not in photo_kinds):
            continue
        if split not in ("", splits.get(path)) or text not in path.casefold():
            continue
        yield path


def divide_again(audit_dir: Path, fractions: Mapping[SplitName, float], seed: int, given: tuple[str, ...]) -> Division:
    """Splits the audited photos again with different fractions, in the same way as the pipeline.

    Args:
        audit_dir: the folder of a finished audit.
        fractions: the fractions of the validation and test splits.
        seed: the seed of the split.
        given: the splits that the data itself defines.

    Raises:
        ArtifactError: there is no audit.
    """
    records = [record for record in _read_records(audit_dir) if record.is_kept]
    given_splits = {split for split in SPLITS if split in given}
    free_records = [record if record.split in given_splits else replace(record, split=None) for record in records]
    class_names = sorted({str(record.class_name) for record in records})
    split_keys = [record.split_key or record.own_key for record in records]
    try:
        divided = assign_splits(free_records, class_names, given_splits, fractions, seed, split_keys)
    except DataError as error:
        return Division(fault=str(error), given=given)
    moves = [
        (old.path, str(old.split), str(new.split))
        for old, new in zip(records, divided, strict=True)
        if old.split is not None and old.split != new.split
    ]
    counts: dict[SplitName, dict[str, int]] = {split: dict.fromkeys(class_names, 0) for split in SPLITS}
    for record in divided:
        assert record.split is not None, "assign_splits assigns a split to each photo"
        counts[record.split][str(record.class_name)] += 1
    return Division(counts=counts, num_moved=len(moves), moves=tuple(moves[:SHOWN_MOVES]), given=given)


def read_splits(audit_dir: Path) -> dict[str, str]:
    """The split of each photo, or LEFT_OUT, by path; empty before the audit."""
    try:
        records = _read_records(audit_dir)
    except ArtifactError:
        return {}
    return {record.path: LEFT_OUT if not record.is_kept else str(record.split or "") for record in records}


def _read_findings(audit_dir: Path) -> tuple[Mapping[str, set[str]], dict[str, str]]:
    """The kinds of findings that contain each photo, by path, and the title of each kind."""
    try:
        info: AuditInfo = read_audit(audit_dir)
    except ArtifactError:
        return {}, {}
    kinds: dict[str, set[str]] = defaultdict(set)
    for finding in info.findings:
        for case in finding.cases:
            for photo in case.photos:
                kinds[photo.path].add(finding.kind)
    return kinds, {finding.kind: finding.title for finding in info.findings if finding.cases}


def _read_records(audit_dir: Path) -> tuple[Record, ...]:
    path = audit_dir / MANIFEST_FILE
    if not path.is_file():
        raise ArtifactError(
            f"The photos have not been audited with these settings; {path} does not exist. Audit them first."
        )
    return _records_of(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _records_of(path: Path, _modified: int) -> tuple[Record, ...]:
    return tuple(read_manifest(path))
