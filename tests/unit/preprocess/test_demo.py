"""The demo data, scikit-learn's digits."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from components.contract.errors import ArtifactError
from components.preprocess.demo import write_digits
from components.preprocess.sources.probe import probe


def test_the_digits_are_those_of_scikit_learn_and_their_bytes_never_change(tmp_path: Path) -> None:
    assert write_digits(tmp_path / "digits") == 1797
    files = sorted((tmp_path / "digits").rglob("*.png"))
    assert len(files) == 1797
    digits = load_digits()
    for number in (0, 777, 1796):
        path = tmp_path / "digits" / str(digits.target[number]) / f"{number:04d}.png"
        assert np.array_equal(np.rint(np.asarray(Image.open(path)) * (16 / 255)), digits.images[number])
    together = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    assert together == "81fbfecfa5e137c174bc2434852057fca008c3907c33cb6949920d2fd78544dd"
    assert probe(str(tmp_path / "digits")).native_size == (8, 8)
    write_digits(tmp_path / "digits")  # replaces the earlier digits


def test_the_digits_never_replace_other_files(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    with pytest.raises(ArtifactError, match="contains other files"):
        write_digits(tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArtifactError, match="contains other files"):
        write_digits(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    assert (tmp_path / "cats").is_dir()
