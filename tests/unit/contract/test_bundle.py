"""The bundle names the photos that its model learnt from."""

from pathlib import Path

from components.contract.bundle import read_train_image_ids, write_train_image_ids


def test_train_image_ids_are_one_a_line_sorted_and_read_again(tmp_path: Path) -> None:
    write_train_image_ids(tmp_path, ["b", "c", "a"])
    assert (tmp_path / "train_image_ids.txt").read_text() == "a\nb\nc\n"
    assert read_train_image_ids(tmp_path) == {"a", "b", "c"}


def test_a_bundle_that_does_not_name_them_says_so(tmp_path: Path) -> None:
    assert read_train_image_ids(tmp_path) is None
