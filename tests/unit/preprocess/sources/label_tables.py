"""Tables of labels for tests."""

from pathlib import Path

import pandas as pd


def write_table(folder: Path, name: str = "labels.csv", **columns: object) -> Path:
    """A table of the photos that `make_photos` made there."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    frame = pd.DataFrame({"Filename": paths, "Class": [path.split("/")[-2] for path in paths], **columns})
    if name.endswith("parquet"):
        frame.to_parquet(folder / name)
    else:
        frame.to_csv(folder / name, index=False, sep="\t" if name.endswith("tsv") else ";")
    return folder / name
