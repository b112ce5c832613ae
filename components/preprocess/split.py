"""Divides the photos into train, validation and test by their content, so that a photo stays where it is.

A photo's draw is a number from 0 to 1, a hash of its content and the seed. Up to the test fraction it goes to test, up
to the sum of both to validation, else to train: what else is in the data set plays no part, so that adding or removing
photos moves no other, and the sizes come out near their fractions as in any draw. Only where a class would miss a
split does the photo nearest to it move there; that happens to small classes, and ends as they grow.

Photos of one group, and photos that are nearly the same, share a key and thereby a draw: they are never separated. A
photo that comes later and is nearly the same as an earlier one may move the earlier one, and only that.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from components.contract.artifacts.dataset import SPLITS, SplitName
from components.contract.errors import DataError
from components.contract.text import printable
from components.preprocess.manifest import Record, summarize_rejected


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
    keys_to_divide: dict[str, set[str]] = {name: set() for name in class_names}
    for record, key in zip(records, keys, strict=True):
        if record.is_kept and record.class_name is not None:
            by_class[record.class_name].append(record)
            if record.split in (None, "train"):
                keys_to_divide[record.class_name].add(key)
    for name, photos in by_class.items():
        _require_photos(name, photos, given_splits, len(cuts) + 1, records)
        _require_groups(name, keys_to_divide[name], len(cuts) + 1)
    splits = divide(keys_to_divide, cuts, seed)
    return [
        replace(record, split=splits[key]) if record.is_kept and record.split in (None, "train") else record
        for record, key in zip(records, keys, strict=True)
    ]


def divide(members: Mapping[str, Collection[str]], cuts: Mapping[SplitName, float], seed: int) -> dict[str, SplitName]:
    """The split of each key: those of `cuts`, and train. Each class has keys in each.

    Args:
        members: class to keys, at least one more than `cuts` has. A key may stand in several classes.
        cuts: split to fraction; their sum is below 1.
        seed: see above.

    Raises:
        DataError: keys that stand in several classes leave no way to fill every split.
    """
    bounds: dict[SplitName, tuple[float, float]] = {}
    end = 0.0
    for split, fraction in cuts.items():
        bounds[split] = (end, end + fraction)
        end += fraction
    bounds["train"] = (end, 1.0)
    draws = {key: draw(key, seed) for keys in members.values() for key in keys}
    splits: dict[str, SplitName] = {
        key: next((split for split, (low, high) in bounds.items() if low <= value < high), "train")
        for key, value in draws.items()
    }
    num_keys = {name: Counter(splits[key] for key in keys) for name, keys in members.items()}
    classes_of: dict[str, list[str]] = {key: [] for key in draws}
    for name, keys in members.items():
        for key in keys:
            classes_of[key].append(name)

    def is_spare(key: str) -> bool:
        """Whether no class would miss the key in its split."""
        return all(num_keys[name][splits[key]] > 1 for name in classes_of[key])

    for name in members:
        for split, (low, high) in bounds.items():
            if num_keys[name][split]:
                continue
            spare_keys = [key for key in members[name] if is_spare(key)]
            if not spare_keys:
                raise DataError(
                    f"The class '{printable(name)}' must be in every split; its photos belong to groups "
                    f"with other classes that leave none for {split}. Divide the data yourself, or give "
                    "smaller groups."
                )
            nearest = min(spare_keys, key=lambda key: (max(low - draws[key], draws[key] - high), key))
            for other in classes_of[nearest]:
                num_keys[other][splits[nearest]] -= 1
                num_keys[other][split] += 1
            splits[nearest] = split
    return splits


def draw(image_id: str, seed: int) -> float:
    """A number from 0 to below 1, spread evenly over photos, and independent between seeds."""
    digest = hashlib.blake2b(f"{seed}/{image_id}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def _require_groups(name: str, keys: Collection[str], least: int) -> None:
    if len(keys) < least:
        raise DataError(
            f"The class '{printable(name)}' must have at least {least} photos that are independent of one "
            f"another, to be divided; its photos are {len(keys)} groups, or nearly the same. Add others, "
            "divide the data yourself into train, validation and test, or let near-duplicates be "
            "separated: --set preprocess.audit.near_duplicates=ignore"
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
        requirement = f"have at least {least} usable photos, to be divided into {parts}; it has {num_divided}"
    raise DataError(f"The class '{printable(name)}' must {requirement}.{reasons} Add photos, or remove the class.")
