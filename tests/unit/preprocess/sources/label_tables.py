"""Empty photo files and label tables for tests."""

from pathlib import Path

import pandas as pd

from components.preprocess.sources.photo_set import PhotoSet


def write_table(folder: Path, name: str = "labels.csv", **columns: object) -> Path:
    """Writes a label table for the photos that `make_photos` wrote to this folder."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    frame = pd.DataFrame({"Filename": paths, "Class": [path.split("/")[-2] for path in paths], **columns})
    if name.endswith("parquet"):
        frame.to_parquet(folder / name)
    else:
        frame.to_csv(folder / name, index=False, sep="\t" if name.endswith("tsv") else ";")
    return folder / name


def write_files(folder: Path, *names: str) -> Path:
    """Creates empty files below a folder, and returns the folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def classes_of(photo_set: PhotoSet) -> dict[str, str | None]:
    """The class of each photo, by its path."""
    return {file.record.path: file.record.class_name for file in photo_set.files}
