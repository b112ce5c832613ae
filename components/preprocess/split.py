"""Splits the photos into train, validation and test by their content.

Each photo is hashed with the seed to a position on a ring from 0 to 1. The arc below the test fraction is test, the
next arc is validation, and the rest is train. For a large class, the ends of the arcs are fixed: the split of a photo
does not depend on other photos, so adding photos never moves others, and the fractions are met on average.

For a small class, fixed ends could miss the fractions by far. Its counts are therefore exact, and the arcs grow or
shrink until the counts are met: the test arc at its lower end, the validation arc at its upper end. Train is beyond
both ends, so an added photo moves at most one other photo per split, into train or out of it. For classes in between,
the counts may differ from the exact ones, and more so for larger classes.

Photos of one group and near-duplicates share a key, and therefore a position, so they are never separated. If a
near-duplicate of a photo is added later, that photo may move to another split.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from components.contract.artifacts.dataset import SPLITS, SplitName
from components.contract.errors import DataError
from components.contract.text import join_names, printable
from components.preprocess.manifest import Record, summarize_rejected

MAX_EXACT_PHOTOS: Final = 60
"""In classes with at most this many photos, each split has exactly its fraction of them."""
PHOTOS_PER_SLACK: Final = 5
"""A split may differ from its exact count by one photo for every PHOTOS_PER_SLACK photos above MAX_EXACT_PHOTOS."""


def assign_splits(
    records: Sequence[Record],
    class_names: Sequence[str],
    given_splits: Collection[SplitName],
    fractions: Mapping[SplitName, float],
    seed: int,
    keys: Sequence[str] | None = None,
) -> list[Record]:
    """Assigns a split to every kept photo.

    Args:
        records: the records of all files with a class; they contain the existing splits.
        class_names: the classes that must be in every split.
        given_splits: the splits into which the data is already divided. Missing splits are taken from train.
        fractions: the fractions of validation and test.
        seed: a different seed leads to a different assignment.
        keys: one per record; photos with the same key get the same split. None: each photo has its own key.

    Raises:
        DataError: a class has too few usable photos, or none in an existing split.
    """
    keys = keys or [record.image_id if record.is_kept else "" for record in records]
    cuts: dict[SplitName, float] = {
        split: fractions[split] for split in reversed(SPLITS) if split != "train" and split not in given_splits
    }
    by_class: dict[str, list[Record]] = {name: [] for name in class_names}
    keys_to_divide: dict[str, list[str]] = {name: [] for name in class_names}
    for record, key in zip(records, keys, strict=True):
        if record.is_kept and record.class_name is not None:
            by_class[record.class_name].append(record)
            if record.split in (None, "train"):
                keys_to_divide[record.class_name].append(key)
    for name, photos in by_class.items():
        _require_photos(name, photos, given_splits, len(cuts) + 1, records)
        _require_groups(name, set(keys_to_divide[name]), len(cuts) + 1)
    splits = divide(keys_to_divide, cuts, seed)
    return [
        replace(record, split=splits[key]) if record.is_kept and record.split in (None, "train") else record
        for record, key in zip(records, keys, strict=True)
    ]


def divide(photo_keys: Mapping[str, Iterable[str]], cuts: Mapping[SplitName, float], seed: int) -> dict[str, SplitName]:
    """Assigns each key to train or to a split in `cuts`, so that every class has keys in every split.

    Args:
        photo_keys: for each class, the key of each photo; there must be more distinct keys than splits in `cuts`. A key
            may be in several classes.
        cuts: the fraction of each split other than train; their sum is below 1.
        seed: a different seed leads to a different assignment.

    Raises:
        DataError: not every split can be filled, because keys are in several classes.
    """
    key_sizes = {name: Counter(keys) for name, keys in photo_keys.items()}
    classes_of: dict[str, list[str]] = {}
    for name, sizes in key_sizes.items():
        for key in sizes:
            classes_of.setdefault(key, []).append(name)
    ring = Ring({key: draw(key, seed) for key in classes_of}, cuts)
    targets = {name: _count_photos(sizes, ring) for name, sizes in key_sizes.items()}
    splits: dict[str, SplitName] = dict.fromkeys(classes_of, "train")
    for split in cuts:
        room = {name: target[split] for name, target in targets.items()}
        for key in sorted(classes_of, key=lambda key: (ring.distance(key, split), key)):
            names = classes_of[key]
            if splits[key] == "train" and all(key_sizes[name][key] <= room[name] for name in names):
                splits[key] = split
                for name in names:
                    room[name] -= key_sizes[name][key]
    _fill_empty_splits(splits, key_sizes, classes_of, ring)
    return splits


class Ring:
    """The positions of the keys on a ring of length 1, and the arc of each split.

    Attributes:
        draws: the position of each key.
        fractions: the length of the arc of each split, including train.
    """

    def __init__(self, draws: Mapping[str, float], cuts: Mapping[SplitName, float]):
        self.draws = draws
        self.fractions: dict[SplitName, float] = {**cuts, "train": 1 - sum(cuts.values())}
        self._border = cuts.get("test", 0.0)  # between test and validation
        self._end = sum(cuts.values())

    def distance(self, key: str, split: SplitName) -> float:
        """The distance of a key from the fixed end of a split's arc; for train, from the nearer of its two ends."""
        place = self.draws[key]
        if split == "test":
            return (self._border - place) % 1
        if split == "validation":
            return (place - self._border) % 1
        return min(place, (self._end - place) % 1)

    def is_within(self, key: str, split: SplitName) -> bool:
        """Whether a key is in the arc of a split other than train."""
        return self.distance(key, split) < self.fractions[split]


def _count_photos(sizes: Mapping[str, int], ring: Ring) -> dict[SplitName, int]:
    """How many photos of a class each split gets: its exact share or, in a large class, roughly those in its arc."""
    num_photos = sum(sizes.values())
    slack = max(0, num_photos - MAX_EXACT_PHOTOS) // PHOTOS_PER_SLACK
    counts = apportion(num_photos, ring.fractions)
    for split in counts:
        if slack and split != "train":
            num_drawn = sum(size for key, size in sizes.items() if ring.is_within(key, split))
            counts[split] = max(1, min(max(num_drawn, counts[split] - slack), counts[split] + slack))
    return counts


def apportion(num_photos: int, fractions: Mapping[SplitName, float]) -> dict[SplitName, int]:
    """Distributes `num_photos` over the splits by Webster's method (Sainte-Laguë); each split gets at least 1.

    With one more photo, exactly one split gets one more; simple rounding does not guarantee that.
    """
    counts = {split: max(1, int(fraction * (num_photos - 2))) for split, fraction in fractions.items()}
    for _ in range(num_photos - sum(counts.values())):
        counts[max(counts, key=lambda split: fractions[split] / (2 * counts[split] + 1))] += 1
    return counts


def _fill_empty_splits(
    splits: dict[str, SplitName],
    key_sizes: Mapping[str, Mapping[str, int]],
    classes_of: Mapping[str, Sequence[str]],
    ring: Ring,
) -> None:
    """If large groups leave a split without photos of a class, moves one key of the class (a group of photos) to it."""
    num_keys = {name: Counter(splits[key] for key in sizes) for name, sizes in key_sizes.items()}

    def is_spare(key: str) -> bool:
        """Whether all classes of the key have other keys in its split."""
        return all(num_keys[name][splits[key]] > 1 for name in classes_of[key])

    for name, sizes in key_sizes.items():
        for split in ring.fractions:
            if num_keys[name][split]:
                continue
            spare_keys = [key for key in sizes if is_spare(key)]
            if not spare_keys:
                raise DataError(
                    f"The class '{printable(name)}' must be in every split, but none of its photos can be in {split}: "
                    "they are in groups with photos of other classes. Split the data yourself, or use smaller groups."
                )
            smallest = min(spare_keys, key=lambda key: (sizes[key], ring.distance(key, split), key))
            for other in classes_of[smallest]:
                num_keys[other][splits[smallest]] -= 1
                num_keys[other][split] += 1
            splits[smallest] = split


def draw(image_id: str, seed: int) -> float:
    """A pseudorandom number from 0 (inclusive) to 1 (exclusive) that depends on the photo and the seed."""
    digest = hashlib.blake2b(f"{seed}/{image_id}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def _require_groups(name: str, keys: Collection[str], least: int) -> None:
    if len(keys) < least:
        raise DataError(
            f"To be split, the class '{printable(name)}' must have at least {least} independent photos; "
            f"it has {len(keys)}, because photos of one group and near-duplicates stay together. Add other photos, "
            "split "
            "the data yourself into train, validation and test, or allow near-duplicates in different "
            "splits: --set preprocess.audit.near_duplicates=ignore"
        )


def _require_photos(
    name: str, photos: Sequence[Record], given_splits: Collection[SplitName], least: int, records: Sequence[Record]
) -> None:
    """Checks that a class has a usable photo in each existing split, and at least `least` photos to split."""
    num_photos = {split: sum(photo.split == split for photo in photos) for split in SPLITS if split in given_splits}
    missing_splits = [split for split, count in num_photos.items() if count == 0]
    num_divided = sum(photo.split in (None, "train") for photo in photos)
    if not missing_splits and num_divided >= least:
        return
    rejected_records = [record for record in records if record.class_name == name and not record.is_kept]
    reasons = f" Rejected files: {'; '.join(summarize_rejected(rejected_records))}." if rejected_records else ""
    if missing_splits:
        requirement = f"have photos in every split; it has no usable photo in {join_names(missing_splits)}"
    else:
        parts = join_names(["train", *(split for split in ("validation", "test") if split not in given_splits)])
        requirement = f"have at least {least} usable photos to be split into {parts}; it has {num_divided}"
    raise DataError(f"The class '{printable(name)}' must {requirement}.{reasons} Add photos, or remove the class.")
