"""A confined program that reads an upload and checks that its network can be planned; the parent makes the plan.

It writes only text and float32 values into its folder for its parent:

description.json  Contents
weights.bin       written by `reader`
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Final

from components.contract.errors import ArchiveError, UploadError
from components.train.keras_import.confined import confinement
from components.train.keras_import.confined.reader import Reader
from components.train.keras_import.limits import Limits
from components.train.keras_import.plan import make_plan

MODULE: Final = "components.train.keras_import.inspection"


def main(argv: list[str]) -> int:
    """Inspects an upload; its path and the limits, as JSON, are the arguments after those of the confinement."""
    upload, limits = confinement.enter(argv)
    folder = Path(argv[0])
    importlib.import_module("components.train.keras_import.confined.hdf5")
    return confinement.handle(folder, lambda: inspect(folder, Path(upload), Limits(**json.loads(limits))))


def inspect(folder: Path, upload: Path, limits: Limits) -> None:
    """Writes the content of the upload into the folder.

    Raises:
        UploadError: the upload is rejected.
    """
    try:
        contents = Reader(folder, limits.max_bytes, limits.max_config_bytes).read(upload)
    except ArchiveError as error:
        what_is_wrong = str(error).replace(f"The archive {upload}", "The uploaded archive").split(". ")[0]
        raise UploadError(
            f"{what_is_wrong}. Pack the model again, or save it with Keras: model.save('model.keras')."
        ) from None
    if contents.config is not None:
        make_plan(contents, limits)
    (folder / "description.json").write_text(contents.model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
