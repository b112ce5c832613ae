"""Divides the photos into train, validation and test by their content, so that a photo stays where it is.

A photo's draw is a number from 0 to 1, a hash of its content and the seed. Up to the test fraction it goes to test, up
to the sum of both to validation, else to train: what else is in the data set plays no part, so that adding or removing
photos moves no other, and the sizes come out near their fractions as in any draw. Only where a class would miss a
split does the photo nearest to it move there; that happens to small classes, and ends as they grow.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from components.contract.dataset import SPLITS, SplitName
from components.contract.errors import DataError
from components.preprocess.manifest import Record, printable, summarise_rejected


def assign_splits(
    records: Sequence[Record],
    class_names: Sequence[str],
    given: Collection[SplitName],
    fractions: Mapping[SplitName, float],
    seed: int,
) -> list[Record]:
    """Gives every kept photo its split.

    Args:
        records: of all files that lie in class folders; given splits stand in them.
        class_names: the classes that must be in every split.
        given: the splits that the data bring. What is missing is cut from train.
        fractions: of validation and test.
        seed: another seed, another division.

    Raises:
        DataError: a class has too few usable photos, or none in a given split.
    """
    cuts: dict[SplitName, float] = {
        split: fractions[split] for split in reversed(SPLITS) if split != "train" and split not in given
    }
    by_class: dict[str, list[Record]] = {name: [] for name in class_names}
    for record in records:
        if record.kept and record.class_name is not None:
            by_class[record.class_name].append(record)
    splits: dict[str, SplitName] = {}
    for name, photos in by_class.items():
        _require_photos(name, photos, given, len(cuts) + 1, records)
        splits |= {photo.image_id: photo.split for photo in photos if photo.split is not None}
        splits |= divide([photo.image_id for photo in photos if photo.split in (None, "train")], cuts, seed)
    return [replace(record, split=splits[record.image_id]) if record.kept else record for record in records]


def divide(image_ids: Sequence[str], cuts: Mapping[SplitName, float], seed: int) -> dict[str, SplitName]:
    """The split of each photo of one class: those of `cuts`, and train. None is empty.

    Args:
        image_ids: at least one more than `cuts` has.
        cuts: split to fraction; their sum is below 1.
        seed: see above.
    """
    bounds: dict[SplitName, tuple[float, float]] = {}
    end = 0.0
    for split, fraction in cuts.items():
        bounds[split] = (end, end + fraction)
        end += fraction
    bounds["train"] = (end, 1.0)
    draws = {image_id: draw(image_id, seed) for image_id in image_ids}
    members: dict[SplitName, list[str]] = {
        split: [image_id for image_id, value in draws.items() if low <= value < high]
        for split, (low, high) in bounds.items()
    }
    for split, (low, high) in bounds.items():
        if not members[split]:
            spare = [image_id for others in members.values() if len(others) > 1 for image_id in others]
            nearest = min(spare, key=lambda image_id: (max(low - draws[image_id], draws[image_id] - high), image_id))
            for others in members.values():
                if nearest in others:
                    others.remove(nearest)
            members[split].append(nearest)
    return {image_id: split for split, chosen in members.items() for image_id in chosen}


def draw(image_id: str, seed: int) -> float:
    """A number from 0 to below 1, spread evenly over photos, and independent between seeds."""
    digest = hashlib.blake2b(f"{seed}/{image_id}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def _require_photos(
    name: str, photos: Sequence[Record], given: Collection[SplitName], least: int, records: Sequence[Record]
) -> None:
    """At least one usable photo in each given split, and `least` to be divided."""
    found = {split: sum(photo.split == split for photo in photos) for split in SPLITS if split in given}
    missing = [split for split, count in found.items() if count == 0]
    num_divided = sum(photo.split in (None, "train") for photo in photos)
    if not missing and num_divided >= least:
        return
    rejected = [record for record in records if record.class_name == name and not record.kept]
    reasons = f" Rejected were {'; '.join(summarise_rejected(rejected))}." if rejected else ""
    if missing:
        what = f"have photos in every split; it has no usable one in {' and '.join(missing)}"
    else:
        parts = " and ".join(("train", *(split for split in ("validation", "test") if split not in given)))
        what = f"have at least {least} usable photos, to be divided into {parts}; it has {num_divided}"
    raise DataError(f"The class {printable(name)!r} must {what}.{reasons} Add photos, or remove the class.")
