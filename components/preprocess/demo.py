"""Writes the demo data: scikit-learn's 1,797 scans of handwritten digits as PNG files in class folders.

`python -m components.preprocess.demo --output data/digits`
"""

import argparse
import io
import sys
from pathlib import Path

import numpy as np

from components.contract.errors import ArtifactError
from components.contract.system.atomic_files import new_folder
from components.contract.system.program import exit_code

LARGEST_VALUE = 16
"""The digits in scikit-learn have 17 shades, from 0 to 16."""


def write_digits(digits_dir: Path) -> int:
    """Writes the folders 0 to 9, with the same bytes on every machine.

    Returns:
        The number of files.

    Raises:
        ArtifactError: the folder contains something other than digits, or cannot be written.
    """
    present = list(digits_dir.iterdir()) if digits_dir.is_dir() else [digits_dir] if digits_dir.exists() else []
    if not {path.name for path in present} <= set("0123456789"):
        raise ArtifactError(
            f"The output folder must be new or empty, or contain only the digits of an earlier run; {digits_dir} "
            "contains other files. Choose another output folder."
        )
    from sklearn.datasets import load_digits

    digits = load_digits()
    shades = np.rint(digits.images * (255 / LARGEST_VALUE)).astype(np.uint8)
    with new_folder(digits_dir) as folder:
        for label in sorted(set(digits.target.tolist())):
            (folder / str(label)).mkdir()
        for number, (pixels, label) in enumerate(zip(shades, digits.target, strict=True)):
            (folder / str(label) / f"{number:04d}.png").write_bytes(_encode_png(pixels))
    return len(shades)


def _encode_png(pixels: np.ndarray) -> bytes:
    """Encodes uint8 (height, width) as a grayscale PNG, uncompressed because versions of zlib compress differently."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=0)
    return file.getvalue()


def main() -> None:
    """Reads the command line and writes the digits."""
    parser = argparse.ArgumentParser(prog="python -m components.preprocess.demo", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="the output folder")
    arguments = parser.parse_args()
    print(f"Wrote {write_digits(arguments.output):,} digits to {arguments.output}.")  # noqa: T201 - the result of the command


if __name__ == "__main__":
    sys.exit(exit_code(main))
