"""Which words in the name of a folder or a file say what it is for."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from components.contract.artifacts.dataset import SPLIT_FOLDERS, SplitName

CONTAINERS: Final = frozenset(
    (
        *("images", "image", "imgs", "img", "jpegimages", "photos", "photo", "pictures", "picture", "pics"),
        *("jpg", "jpeg", "png", "data", "dataset", "dcim"),
    )
)
"""Folders around all photos; the last word of the name counts, as in `flower_photos`."""
ANNOTATIONS: Final = frozenset(
    (
        *("annotations", "annotation", "labels", "label", "masks", "mask", "trimaps", "xml", "xmls", "meta"),
        *("metadata", "bbox", "bboxes", "segmentation", "segmentations", "ann", "anns"),
        *("groundtruth", "groundtruths"),
    )
)
"""Folders beside the photos with something about them; they may hold pictures, such as masks."""
UNLABELED: Final = frozenset(
    ("unlabeled", "unlabelled", "unsup", "pred", "predict", "prediction", "predictions", "submission")
)
VARIANTS: Final = frozenset(
    (
        *("color", "colour", "gray", "grey", "grayscale", "greyscale", "rgb", "segmented", "original"),
        *("originals", "raw", "augmented", "resized", "cropped"),
    )
)
"""Forms of the same photos, each in a folder of its own."""
PARTS: Final = frozenset(("fold", "part", "batch", "chunk", "shard", "images", "data", "set", "archive"))
"""With a number, as in `fold1`, they are parts of one collection."""

_DRIVE_PART: Final = re.compile(r".+-\d{8}T\d{6}Z(-\d+)+")
"""A part of what Google Drive packs: `photos-20240131T101500Z-001`."""
_DATE: Final = re.compile(r"(19|20)\d\d([-_. ]?\d\d?){0,2}")

_DOCUMENTS: Final = frozenset(
    (
        *(".bib", ".cfg", ".conf", ".csv", ".dat", ".data", ".db", ".doc", ".docx", ".h5", ".hdf5", ".htm"),
        *(".html", ".ini", ".ipynb", ".json", ".jsonl", ".list", ".log", ".lst", ".mat", ".md", ".names"),
        *(".npy", ".npz", ".parquet", ".pdf", ".pickle", ".pkl", ".pq", ".py", ".rst", ".sh", ".sha1"),
        *(".sqlite", ".toml", ".tsv", ".txt", ".xls", ".xlsx", ".xml", ".yaml", ".yml", ".zip", ".tar"),
        *(".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".7z", ".rar"),
        *(".aae", ".avi", ".m4a", ".m4v", ".mkv", ".mov", ".mp3", ".mp4", ".mpg", ".wav", ".webm", ".wmv", ".xmp"),
    )
)
_TEXTS: Final = frozenset(("readme", "license", "licence", "changelog", "makefile", "copying"))
HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""Between the words of `trainLabels` and `JPEGImages`."""
_SPLIT_WORD: Final = re.compile(r"(trainval|training|train|testing|test|validation|valid|val)(set|data|images?|imgs)?")


def may_be_photo(file_name: str) -> bool:
    """Whether the name leaves open that the file is a photo: its ending is not that of a document, table or archive."""
    lower_name = file_name.casefold()
    _, dot, ending = lower_name.rpartition(".")
    return f".{ending}" not in _DOCUMENTS if dot else lower_name not in _TEXTS


def may_name_classes(file_name: str) -> bool:
    """Whether a document is called as if it held the names of the classes: `labels.csv`, `cat_to_name.json`."""
    return any(
        re.fullmatch("(sign)?(names?|class(es)?|labels?|category|categories|indices)", w) for w in words_of(file_name)
    )


def split_of(folder_name: str) -> tuple[SplitName, str] | None:
    """The split that a folder's name shows, and what else the name holds: `seg_train` gives train and `seg`.

    None if it shows none, or more than one.
    """
    words = words_of(folder_name)
    matches = [(place, match[1]) for place, word in enumerate(words) if (match := _SPLIT_WORD.fullmatch(word))]
    if len(matches) != 1:
        return None
    place, word = matches[0]
    rest = [other for other in (*words[:place], *words[place + 1 :]) if other not in CONTAINERS | {"set", "sets"}]
    return "train" if word == "trainval" else SPLIT_FOLDERS[word], " ".join(rest)


def may_list_split(file_name: str) -> bool:
    """Whether a document is called like a list of the photos of a split: `test.txt`, `train_test_split.txt`."""
    stem, _, ending = file_name.rpartition(".")
    return ending.casefold() in ("txt", "lst", "list", "json") and (is_split(stem) or words_of(stem)[-1:] == ["split"])


def split_candidates(folder_names: Iterable[str]) -> dict[str, SplitName]:
    """The folders whose names show a split: nothing else, or with another split's folder beside them.

    `seg_train` is one beside `seg_test`; `steam_train` beside `bus` is none.
    """
    matches = {name: match for name in folder_names if (match := split_of(name)) is not None}
    return {
        name: split
        for name, (split, rest) in matches.items()
        if not rest or len({other for other, other_rest in matches.values() if other_rest == rest}) > 1
    }


def is_split(folder_name: str) -> bool:
    """Whether the name shows a split and nothing else, as `Training_set` and `train_images` do."""
    split = split_of(folder_name)
    return split is not None and not split[1]


def is_train(folder_name: str) -> bool:
    """Whether the name shows the training split and nothing else."""
    return split_of(folder_name) == ("train", "")


def is_container(folder_name: str) -> bool:
    """Whether folders of such a name stand around all photos."""
    words = [word for word in words_of(folder_name) if word not in ("dir", "folder")]
    return words[-1:] != [] and words[-1] in CONTAINERS


def mentions_container(folder_name: str) -> bool:
    """Whether a word of the name is that of a folder around photos, as in `images_background`."""
    return not CONTAINERS.isdisjoint(words_of(folder_name))


def is_plain_container(folder_name: str) -> bool:
    """Whether the name is that of a folder around photos, and nothing else."""
    return len(words_of(folder_name)) == 1 and is_container(folder_name)


def is_annotation(folder_name: str) -> bool:
    """Whether folders of such a name, beside one of photos, hold something about the photos."""
    words = words_of(folder_name)
    return any(word in ANNOTATIONS for word in (*words, "".join(words)))


def is_unlabeled(folder_name: str) -> bool:
    """Whether the name says that the photos have no label, as `to_predict` does."""
    return any(word in UNLABELED for word in words_of(folder_name))


def is_reserved(folder_name: str) -> bool:
    """Whether the name is hardly one of a class, so that reading it as a class must be said."""
    words = words_of(folder_name)
    plain = words[0] if len(words) == 1 else ""
    return is_split(folder_name) or plain in ("images", "image", "labels", "label", "annotations", "annotation")


def are_variants(folder_names: list[str]) -> bool:
    """Whether the folders are called like forms of the same photos: `color` and `grayscale`."""
    return all(any(word in VARIANTS for word in words_of(name)) for name in folder_names)


def are_numbered_parts(folder_names: list[str]) -> bool:
    """Whether the folders are called like parts of one collection: `fold1` and `fold2`."""
    words = words_of(folder_names[0])
    is_collection = len(folder_names) > 1 and words[-1:] != [] and words[-1] in PARTS
    return (is_collection and all(words_of(name) == words and name[-1].isdigit() for name in folder_names)) or (
        len(folder_names) > 1 and all(map(_DRIVE_PART.fullmatch, folder_names))
    )


def is_index(folder_name: str, inner_names: Iterable[str]) -> bool:
    """Whether the folder holds others by their first letter, as in `a/abbey` and `a/airport`."""
    letter = folder_name.casefold()
    return len(letter) == 1 and letter.isalpha() and all(name.casefold().startswith(letter) for name in inner_names)


def are_numbered(folder_names: Iterable[str]) -> bool:
    """Whether the folders are called by numbers: `1` and `2`, `40X` and `100X`, `patient 1` and `patient 2`."""
    names = list(folder_names)
    return len(set(map(tuple, map(words_of, names)))) == 1 and all(re.search(r"\d", name) for name in names)


def are_dates(folder_names: Iterable[str]) -> bool:
    """Whether the folders are called by years, months or days: `2021`, `2021-06`."""
    return all(map(_DATE.fullmatch, folder_names))


def class_name(folder_name: str) -> str:
    """The class of a folder. macOS decomposes accents in file names; elsewhere the same class comes composed."""
    return unicodedata.normalize("NFC", folder_name)


def spelling_key(name: str) -> str:
    """Equal for names that differ in upper and lower case, blanks, hyphens, underscores and dots at the end only.

    The marks of a copy, as in `cat (1)` and `cat - Copy`, do not count either.
    """
    text = re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", name).casefold()).strip(" .")
    return re.sub(r"( copy| \(\d+\))+$", "", text)


def words_of(name: str) -> list[str]:
    """The words of a name, without numbers and signs, in lower case: `JPEGImages_2` gives jpeg and images."""
    return re.findall(r"[^\W\d_]+", HUMP.sub(" ", name).casefold())
