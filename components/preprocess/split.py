"""Divides the photos into train, validation and test by their content.

A photo's draw is a hash of its content and the seed: a place on a ring from 0 to 1. Test is the stretch below the test
fraction, validation the stretch above it, train the rest. In a large class the stretches have fixed ends: nothing else
in the data set counts, so that adding photos moves no other photo, and the shares are met on average.

In a small class fixed ends would miss the shares by far, so there the counts are exact, and the ends of the stretches
move until they are met. Test grows and shrinks at 0, validation at its upper end, and beyond both lies train: a photo
that is added displaces at most one photo per split, into train or out of it. Between small and large the counts may
differ from the exact ones more and more.

Photos of one group, and photos that are nearly the same, share a key and so a draw: they are never separated. A
photo that comes later and is nearly the same as an earlier one may move the earlier one.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from components.contract.artifacts.dataset import SPLITS, SplitName
from components.contract.errors import DataError
from components.contract.text import printable
from components.preprocess.manifest import Record, summarize_rejected

MAX_EXACT_PHOTOS: Final = 60
"""Up to this number of photos in a class the shares decide exactly how many each split has."""
PHOTOS_PER_SLACK: Final = 5
"""With each so many more, the count of a split may differ from the exact one by one more photo."""


def assign_splits(
    records: Sequence[Record],
    class_names: Sequence[str],
    given_splits: Collection[SplitName],
    fractions: Mapping[SplitName, float],
    seed: int,
    keys: Sequence[str] | None = None,
) -> list[Record]:
    """Gives every kept photo its split.

    Args:
        records: of all files that lie in class folders; given splits stand in them.
        class_names: the classes that must be in every split.
        given_splits: the splits that the data bring. What is missing is cut from train.
        fractions: of validation and test.
        seed: another seed, another division.
        keys: one per record; photos of one key are never separated. None: each photo's own content.

    Raises:
        DataError: a class has too few usable photos, or none in a given split.
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
    """The split of each key: those of `cuts`, and train. Each class has keys in each.

    Args:
        photo_keys: class to the key of each of its photos; more different ones than `cuts` has. A key may stand in
            several classes.
        cuts: split to fraction; their sum is below 1.
        seed: see above.

    Raises:
        DataError: keys that is in several classes leave no way to fill every split.
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
    """The draws as places on a ring of length 1, and the stretch of each split.

    Attributes:
        draws: key to place.
        fractions: split to length, train included.
    """

    def __init__(self, draws: Mapping[str, float], cuts: Mapping[SplitName, float]):
        self.draws = draws
        self.fractions: dict[SplitName, float] = {**cuts, "train": 1 - sum(cuts.values())}
        self._border = cuts.get("test", 0.0)  # between test and validation
        self._end = sum(cuts.values())

    def distance(self, key: str, split: SplitName) -> float:
        """How late the split reaches the key, as it grows from its border."""
        place = self.draws[key]
        if split == "test":
            return (self._border - place) % 1
        if split == "validation":
            return (place - self._border) % 1
        return min(place, (self._end - place) % 1)

    def is_within(self, key: str, split: SplitName) -> bool:
        """Whether the key is in the stretch of a split other than train."""
        return self.distance(key, split) < self.fractions[split]


def _count_photos(sizes: Mapping[str, int], ring: Ring) -> dict[SplitName, int]:
    """How many photos of a class each split is to have: exactly its share, or what is drawn if the class is large."""
    num_photos = sum(sizes.values())
    slack = max(0, num_photos - MAX_EXACT_PHOTOS) // PHOTOS_PER_SLACK
    counts = apportion(num_photos, ring.fractions)
    for split in counts:
        if slack and split != "train":
            num_drawn = sum(size for key, size in sizes.items() if ring.is_within(key, split))
            counts[split] = max(1, min(max(num_drawn, counts[split] - slack), counts[split] + slack))
    return counts


def apportion(num_photos: int, fractions: Mapping[SplitName, float]) -> dict[SplitName, int]:
    """Integers near the shares of `num_photos`, at least 1 each, by Webster's method (Sainte-Laguë).

    One photo more is one more for one split, and none less for another, which rounding does not promise.
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
    """Moves a key into each split that has none of a class, which groups larger than its share leave empty."""
    num_keys = {name: Counter(splits[key] for key in sizes) for name, sizes in key_sizes.items()}

    def is_spare(key: str) -> bool:
        """Whether no class would miss the key in its split."""
        return all(num_keys[name][splits[key]] > 1 for name in classes_of[key])

    for name, sizes in key_sizes.items():
        for split in ring.fractions:
            if num_keys[name][split]:
                continue
            spare_keys = [key for key in sizes if is_spare(key)]
            if not spare_keys:
                raise DataError(
                    f"The class '{printable(name)}' must be in every split; its photos are in groups with "
                    f"other classes, so none is left for {split}. Split the data yourself, or use smaller "
                    "groups."
                )
            smallest = min(spare_keys, key=lambda key: (sizes[key], ring.distance(key, split), key))
            for other in classes_of[smallest]:
                num_keys[other][splits[smallest]] -= 1
                num_keys[other][split] += 1
            splits[smallest] = split


def draw(image_id: str, seed: int) -> float:
    """A number from 0 to below 1, spread evenly over photos, and independent between seeds."""
    digest = hashlib.blake2b(f"{seed}/{image_id}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def _require_groups(name: str, keys: Collection[str], least: int) -> None:
    if len(keys) < least:
        raise DataError(
            f"To be split, the class '{printable(name)}' must have at least {least} independent photos; "
            f"its photos form {len(keys)} groups, or are near-duplicates. Add other photos, split the "
            "data yourself into train, validation and test, or allow near-duplicates in different "
            "splits: --set preprocess.audit.near_duplicates=ignore"
        )


def _require_photos(
    name: str, photos: Sequence[Record], given_splits: Collection[SplitName], least: int, records: Sequence[Record]
) -> None:
    """At least one usable photo in each given split, and `least` to be divided."""
    num_photos = {split: sum(photo.split == split for photo in photos) for split in SPLITS if split in given_splits}
    missing_splits = [split for split, count in num_photos.items() if count == 0]
    num_divided = sum(photo.split in (None, "train") for photo in photos)
    if not missing_splits and num_divided >= least:
        return
    rejected_records = [record for record in records if record.class_name == name and not record.is_kept]
    reasons = f" Rejected were {'; '.join(summarize_rejected(rejected_records))}." if rejected_records else ""
    if missing_splits:
        requirement = f"have photos in every split; it has no usable one in {' and '.join(missing_splits)}"
    else:
        parts = " and ".join(("train", *(split for split in ("validation", "test") if split not in given_splits)))
        requirement = f"have at least {least} usable photos to be split into {parts}; it has {num_divided}"
    raise DataError(f"The class '{printable(name)}' must {requirement}.{reasons} Add photos, or remove the class.")
