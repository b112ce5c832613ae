"""Finds copies of photos: within a split, in different splits, or with different labels."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from components.contract.artifacts.dataset import SPLITS
from components.contract.params.audit import AuditParams, Policy
from components.preprocess.manifest import Record

Relation = Literal["bytes", "pixels", "near", "group"]
KINDS: Final = ("contradictory_labels", "leakage", "duplicates", "near_duplicates")
REASONS: Final = {
    "contradictory_labels": "contradictory_label",
    "leakage": "leakage",
    "duplicates": "duplicate",
    "near_duplicates": "near_duplicate",
}
WORDS: Final[dict[Relation, str]] = {
    "bytes": "The same file",
    "pixels": "The same pixels",
    "near": "Nearly the same photo",
    "group": "The same group",
}


@dataclass(frozen=True, slots=True)
class Link:
    """The rows of two files that show the same photo, the smaller row first, and how the files are related."""

    first: int
    second: int
    relation: Relation


@dataclass
class CopyAudit:
    """The result of the search for copies.

    Attributes:
        records: one per file; files that are left out now have a reason.
        cases: for each kind of finding, the groups of rows, each with a phrase that describes how they are related.
    """

    records: list[Record]
    cases: dict[str, list[tuple[tuple[int, ...], str]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})


def find_links(records: Sequence[Record], near: np.ndarray) -> list[Link]:
    """Links the kept files that show the same photo.

    If two files are related in several ways, the link names the closest relation. A file with the same bytes or pixels
    as earlier files is linked only to the first of them.

    Args:
        records: one per file.
        near: int64 (pairs, 2), the positions in `records` of near-duplicates.
    """
    links: dict[tuple[int, int], Link] = {}
    for relation, keys in (
        ("bytes", [record.sha256 for record in records]),
        ("pixels", [record.pixel_hash for record in records]),
    ):
        for first, second in _iter_equal(records, keys):
            links.setdefault((first, second), Link(first, second, "bytes" if relation == "bytes" else "pixels"))
    same_content = Groups(len(records))
    for first, second in links:
        same_content.join(first, second)
    for first, second in near.tolist():
        if records[first].is_kept and records[second].is_kept and same_content.find(first) != same_content.find(second):
            links.setdefault((first, second), Link(first, second, "near"))
    return [links[pair] for pair in sorted(links)]


def _iter_equal(records: Sequence[Record], keys: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """Yields (first row, other row) for kept files with the same key."""
    first: dict[str, int] = {}
    for row, (record, key) in enumerate(zip(records, keys, strict=True)):
        if record.is_kept and key is not None and first.setdefault(key, row) != row:
            yield first[key], row


def audit_copies(records: Sequence[Record], links: Sequence[Link], params: AuditParams) -> CopyAudit:
    """Leaves out copies of photos according to the params.

    First, copies with contradictory labels are left out, because any of their labels may be wrong. Then leakage is
    removed: the copy in test is kept or, if there is none, the one in validation. Finally, only one of several copies
    within a split is kept. At most one of several files with the same bytes is kept, regardless of the params.
    """
    copy_audit = CopyAudit(list(records))
    _audit_contradictions(copy_audit, links, params.contradictory_labels)
    _audit_leakage(copy_audit, links, params.leakage)
    _audit_groups(copy_audit, params.leakage)
    _audit_copies(copy_audit, [link for link in links if link.relation != "near"], "duplicates", params.duplicates)
    _audit_copies(
        copy_audit, [link for link in links if link.relation == "near"], "near_duplicates", params.near_duplicates
    )
    return copy_audit


def _audit_contradictions(copy_audit: CopyAudit, links: Sequence[Link], policy: Policy) -> None:
    for relation, row_groups in _iter_related_rows(links, len(copy_audit.records)):
        for members in row_groups:
            rows = [row for row in members if copy_audit.records[row].is_kept]
            if len({copy_audit.records[row].class_name for row in rows}) > 1:
                _note(copy_audit, "contradictory_labels", policy, rows, WORDS[relation])
                if relation == "bytes" or policy in ("quarantine", "fail"):
                    _leave_out_contradictory(copy_audit, rows, relation)


def _leave_out_contradictory(copy_audit: CopyAudit, rows: Sequence[int], relation: Relation) -> None:
    records = [copy_audit.records[row] for row in rows]
    for row, record in zip(rows, records, strict=True):
        other = next(mate for mate in records if mate.class_name != record.class_name)
        _leave_out(copy_audit, row, "contradictory_labels", f"{WORDS[relation]} is in another class: {other.path}.")


def _audit_leakage(copy_audit: CopyAudit, links: Sequence[Link], policy: Policy) -> None:
    """Finds copies in different existing splits; Darkroom itself never puts copies into different splits."""
    records = copy_audit.records
    for relation, row_groups in _iter_related_rows(links, len(records)):
        for members in row_groups:
            kept_rows = (row for row in members if records[row].is_kept)
            rows = sorted(kept_rows, key=lambda row: _rank(records[row]))
            splits = {records[row].split for row in rows}
            if len(splits) < 2 or None in splits:
                continue
            best = records[rows[0]]
            leaked = [row for row in rows if records[row].split != best.split]
            _note(copy_audit, "leakage", policy, (rows[0], *leaked), WORDS[relation])
            if relation == "bytes" or policy in ("quarantine", "fail"):
                for row in leaked:
                    _leave_out(copy_audit, row, "leakage", f"{WORDS[relation]} is kept in {best.split} as {best.path}.")


def _iter_related_rows(links: Sequence[Link], size: int) -> Iterator[tuple[Relation, list[tuple[int, ...]]]]:
    """Yields groups with the same bytes, then groups with the same bytes or pixels, then pairs of near-duplicates."""
    exact = [link for link in links if link.relation != "near"]
    yield "bytes", clusters([link for link in exact if link.relation == "bytes"], size)
    yield "pixels", clusters(exact, size)
    yield "near", [(link.first, link.second) for link in links if link.relation == "near"]


def _audit_groups(copy_audit: CopyAudit, policy: Policy) -> None:
    """Finds groups in several existing splits; the policy decides whether only photos in the last split are kept."""
    records = copy_audit.records
    members: dict[str, list[int]] = defaultdict(list)
    for row, record in enumerate(records):
        if record.is_kept and record.group is not None and record.split is not None:
            members[record.group].append(row)
    for name, rows in sorted(members.items()):
        best = min(rows, key=lambda row: _rank(records[row]))
        leaked = [row for row in rows if records[row].split != records[best].split]
        if leaked:
            _note(copy_audit, "leakage", policy, (best, *leaked), f"The group {name}")
            if policy in ("quarantine", "fail"):
                message = f"The group {name} also has photos in {records[best].split}: {records[best].path}."
                for row in leaked:
                    _leave_out(copy_audit, row, "leakage", message)


def _audit_copies(copy_audit: CopyAudit, links: Sequence[Link], kind: str, policy: Policy) -> None:
    records = copy_audit.records
    for rows in clusters(list(_iter_kept_links(copy_audit, links)), len(records)):
        for split in {records[row].split for row in rows}:
            split_rows = sorted((row for row in rows if records[row].split == split), key=lambda row: records[row].path)
            if len(split_rows) < 2:
                continue
            word = WORDS["near"] if kind == "near_duplicates" else WORDS["pixels"]
            if len({records[row].sha256 for row in split_rows}) == 1:
                word = WORDS["bytes"]
            _note(copy_audit, kind, policy, split_rows, word)
            first = records[split_rows[0]]
            kept_hashes = {first.sha256}
            for row in split_rows[1:]:
                if policy in ("quarantine", "fail") or records[row].sha256 in kept_hashes:
                    _leave_out(copy_audit, row, kind, f"{word} is kept as {first.path}.")
                kept_hashes.add(records[row].sha256)


def _iter_kept_links(copy_audit: CopyAudit, links: Iterable[Link]) -> Iterator[Link]:
    """Yields the links between two files that have not been left out."""
    for link in links:
        if copy_audit.records[link.first].is_kept and copy_audit.records[link.second].is_kept:
            yield link


def _rank(record: Record) -> tuple[int, str]:
    """The sort key of a copy: test before validation before train, then by path. The first copy is kept."""
    return -SPLITS.index(record.split or "train"), record.path


def _note(copy_audit: CopyAudit, kind: str, policy: Policy, rows: Iterable[int], word: str) -> None:
    if policy != "ignore":
        copy_audit.cases[kind].append((tuple(rows), word))


def _leave_out(copy_audit: CopyAudit, row: int, kind: str, message: str) -> None:
    if copy_audit.records[row].is_kept:
        copy_audit.records[row] = replace(copy_audit.records[row], reason=REASONS[kind], message=message)


def split_keys(records: Sequence[Record], links: Sequence[Link], *, near_together: bool) -> list[str]:
    """The split key of each file; photos with the same key are never separated.

    A photo with neither copies nor a group uses its content id as its key. Photos that belong together use the smallest
    of their group names or, if they have no groups, the smallest of their content ids. A file that is left out has the
    key of its kept copies, or "" if it has no kept copies.
    """
    groups = Groups(len(records))
    for link in links:
        if near_together or link.relation != "near":
            groups.join(link.first, link.second)
    first_of: dict[str, int] = {}
    for row, record in enumerate(records):
        if record.is_kept and record.group is not None:
            groups.join(first_of.setdefault(record.group, row), row)
    keys: dict[int, str] = {}
    for row, record in enumerate(records):
        if record.is_kept:
            key = record.own_key
            root = groups.find(row)
            keys[root] = min(key, keys.get(root, key))
    return [keys.get(groups.find(row), "") for row in range(len(records))]


def note_shared_keys(records: Sequence[Record], keys: Sequence[str]) -> list[Record]:
    """Sets `split_key` on the records that share one with other records, so that their photos stay together."""
    num_files = Counter(keys)
    return [
        replace(record, split_key=key) if key and num_files[key] > 1 else record
        for record, key in zip(records, keys, strict=True)
    ]


class Groups:
    """Union-find over rows."""

    def __init__(self, size: int):
        self._parents = list(range(size))

    def find(self, row: int) -> int:
        """The smallest row in the group that contains `row`."""
        root = row
        while self._parents[root] != root:
            root = self._parents[root]
        while self._parents[row] != root:
            self._parents[row], row = root, self._parents[row]
        return root

    def join(self, row: int, other_row: int) -> None:
        """Unites the groups of two rows."""
        low, high = sorted((self.find(row), self.find(other_row)))
        self._parents[high] = low


def clusters(links: Sequence[Link], size: int) -> list[tuple[int, ...]]:
    """The groups of rows that are connected by links, sorted by their smallest row."""
    groups = Groups(size)
    for link in links:
        groups.join(link.first, link.second)
    members: dict[int, list[int]] = defaultdict(list)
    for row in sorted({row for link in links for row in (link.first, link.second)}):
        members[groups.find(row)].append(row)
    return [tuple(rows) for _, rows in sorted(members.items())]
