"""Recognizes the purpose of folders and files by words in their names."""

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
"""Names of folders that contain all photos; only the last word of a name counts, as in `flower_photos`."""
ANNOTATIONS: Final = frozenset(
    (
        *("annotations", "annotation", "labels", "label", "masks", "mask", "trimaps", "xml", "xmls", "meta"),
        *("metadata", "bbox", "bboxes", "segmentation", "segmentations", "ann", "anns"),
        *("groundtruth", "groundtruths"),
    )
)
"""Names of folders with facts about the photos next to them; these folders may contain pictures, such as masks."""
UNLABELED: Final = frozenset(
    ("unlabeled", "unlabelled", "unsup", "pred", "predict", "prediction", "predictions", "submission")
)
VARIANTS: Final = frozenset(
    (
        *("color", "colour", "gray", "grey", "grayscale", "greyscale", "rgb", "segmented", "original"),
        *("originals", "raw", "augmented", "resized", "cropped"),
    )
)
"""Words in the names of folders with variants of the same photos."""
PARTS: Final = frozenset(("fold", "part", "batch", "chunk", "shard", "images", "data", "set", "archive"))
"""Names of folders that are parts of one collection if a number follows, as in `fold1`."""

_DRIVE_PART: Final = re.compile(r".+-\d{8}T\d{6}Z(-\d+)+")
"""A part of a download from Google Drive: `photos-20240131T101500Z-001`."""
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
"""The boundary between words in names such as `trainLabels` and `JPEGImages`."""
_SPLIT_WORD: Final = re.compile(r"(trainval|training|train|testing|test|validation|valid|val)(set|data|images?|imgs)?")


def may_be_photo(file_name: str) -> bool:
    """Whether a file may be a photo: whether its suffix is not that of a document, table, archive or video."""
    lower_name = file_name.casefold()
    _, dot, ending = lower_name.rpartition(".")
    return f".{ending}" not in _DOCUMENTS if dot else lower_name not in _TEXTS


def may_name_classes(file_name: str) -> bool:
    """Whether a document may contain the class names, judging by its name: `labels.csv`, `cat_to_name.json`."""
    return any(
        re.fullmatch("(sign)?(names?|class(es)?|labels?|category|categories|indices)", w) for w in words_of(file_name)
    )


def split_of(folder_name: str) -> tuple[SplitName, str] | None:
    """The split in the name of a folder, and the other words in the name: train and `seg` for `seg_train`.

    None if the name contains no split, or more than one.
    """
    words = words_of(folder_name)
    matches = [(place, match[1]) for place, word in enumerate(words) if (match := _SPLIT_WORD.fullmatch(word))]
    if len(matches) != 1:
        return None
    place, word = matches[0]
    rest = [other for other in (*words[:place], *words[place + 1 :]) if other not in CONTAINERS | {"set", "sets"}]
    return "train" if word == "trainval" else SPLIT_FOLDERS[word], " ".join(rest)


def may_list_split(file_name: str) -> bool:
    """Whether a document may list the photos of a split, judging by its name: `test.txt`, `train_test_split.txt`."""
    stem, _, ending = file_name.rpartition(".")
    return ending.casefold() in ("txt", "lst", "list", "json") and (is_split(stem) or words_of(stem)[-1:] == ["split"])


def split_candidates(folder_names: Iterable[str]) -> dict[str, SplitName]:
    """The folders whose names are only a split, or a split and words that also occur with another split.

    For example, `seg_train` next to `seg_test` is a split, but `steam_train` next to `bus` is not.
    """
    matches = {name: match for name in folder_names if (match := split_of(name)) is not None}
    return {
        name: split
        for name, (split, rest) in matches.items()
        if not rest or len({other for other, other_rest in matches.values() if other_rest == rest}) > 1
    }


def is_split(folder_name: str) -> bool:
    """Whether the folder is named only after a split, as in `Training_set` and `train_images`."""
    split = split_of(folder_name)
    return split is not None and not split[1]


def is_train(folder_name: str) -> bool:
    """Whether the folder is named only after the training split."""
    return split_of(folder_name) == ("train", "")


def is_container(folder_name: str) -> bool:
    """Whether the name is that of a folder that contains all photos, as in `flower_photos`."""
    words = [word for word in words_of(folder_name) if word not in ("dir", "folder")]
    return words[-1:] != [] and words[-1] in CONTAINERS


def mentions_container(folder_name: str) -> bool:
    """Whether any word of the name is a common name for a folder of photos, as in `images_background`."""
    return not CONTAINERS.isdisjoint(words_of(folder_name))


def is_plain_container(folder_name: str) -> bool:
    """Whether the name is just a common name for a folder of photos, as in `images`."""
    return len(words_of(folder_name)) == 1 and is_container(folder_name)


def is_annotation(folder_name: str) -> bool:
    """Whether the name is that of a folder with masks, annotations or other facts about photos."""
    words = words_of(folder_name)
    return any(word in ANNOTATIONS for word in (*words, "".join(words)))


def is_unlabeled(folder_name: str) -> bool:
    """Whether the name means that the photos have no label, as in `to_predict`."""
    return any(word in UNLABELED for word in words_of(folder_name))


def is_reserved(folder_name: str) -> bool:
    """Whether the name is so unusual for a class that the user must be notified if it is read as a class."""
    words = words_of(folder_name)
    plain = words[0] if len(words) == 1 else ""
    return is_split(folder_name) or plain in ("images", "image", "labels", "label", "annotations", "annotation")


def are_variants(folder_names: list[str]) -> bool:
    """Whether the folders are variants of the same photos, judging by their names: `color` and `grayscale`."""
    return all(any(word in VARIANTS for word in words_of(name)) for name in folder_names)


def are_numbered_parts(folder_names: list[str]) -> bool:
    """Whether the folders are parts of one collection, judging by their names: `fold1` and `fold2`."""
    words = words_of(folder_names[0])
    is_collection = len(folder_names) > 1 and words[-1:] != [] and words[-1] in PARTS
    return (is_collection and all(words_of(name) == words and name[-1].isdigit() for name in folder_names)) or (
        len(folder_names) > 1 and all(map(_DRIVE_PART.fullmatch, folder_names))
    )


def is_index(folder_name: str, inner_names: Iterable[str]) -> bool:
    """Whether the name is a letter with which all inner names begin, as in `a/abbey` and `a/airport`."""
    letter = folder_name.casefold()
    return len(letter) == 1 and letter.isalpha() and all(name.casefold().startswith(letter) for name in inner_names)


def are_numbered(folder_names: Iterable[str]) -> bool:
    """Whether the folder names differ only in numbers: `1` and `2`, `40X` and `100X`, `patient 1` and `patient 2`."""
    names = list(folder_names)
    return len(set(map(tuple, map(words_of, names)))) == 1 and all(re.search(r"\d", name) for name in names)


def are_dates(folder_names: Iterable[str]) -> bool:
    """Whether the folder names are years, months or days: `2021`, `2021-06`."""
    return all(map(_DATE.fullmatch, folder_names))


def class_name(folder_name: str) -> str:
    """The class of a folder: its name with composed accents, because macOS decomposes accents in file names."""
    return unicodedata.normalize("NFC", folder_name)


def spelling_key(name: str) -> str:
    """A key that is equal for names that differ only in case, spaces, hyphens, underscores and trailing dots.

    Suffixes of copies, as in `cat (1)` and `cat - Copy`, are also ignored.
    """
    text = re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", name).casefold()).strip(" .")
    return re.sub(r"( copy| \(\d+\))+$", "", text)


def words_of(name: str) -> list[str]:
    """The words of a name in lowercase, without numbers and punctuation: jpeg and images for `JPEGImages_2`."""
    return re.findall(r"[^\W\d_]+", HUMP.sub(" ", name).casefold())
