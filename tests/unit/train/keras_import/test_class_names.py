"""The class names of a trained model: read from a file next to it, and matched with the data set's classes."""

import json
from pathlib import Path

import pytest

from components.contract.errors import UploadError
from components.train.keras_import.outputs.class_names import (
    MAX_LABEL_BYTES,
    find_beside,
    order_outputs,
    read_class_names,
)

ANIMALS = ("zebra", "ape", "monkey")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("0 zebra\n1 ape\n2 monkey\n", ANIMALS),
        ("\ufeff0 zebra\r\n1 ape\r\n2 monkey", ANIMALS),
        ("2: monkey\n0: zebra\n1: ape\n", ANIMALS),
        ("zebra\n\n  ape \nmonkey", ANIMALS),
        ("0\n1\n2", ("0", "1", "2")),
        ("1 euro\n2 euro\n5 euro", ("1 euro", "2 euro", "5 euro")),
        ("0 golden retriever\n1 köln", ("golden retriever", "köln")),
    ],
)
def test_a_list_of_classes_has_one_class_per_line(text: str, names: tuple[str, ...]) -> None:
    assert read_class_names(text.encode(), "labels.txt") == names


@pytest.mark.parametrize(
    "tree", [list(ANIMALS), {"zebra": 0, "monkey": 2, "ape": 1}, {"0": "zebra", "1": "ape", "2": "monkey"}]
)
def test_class_names_in_json_can_be_a_list_or_numbered(tree: object) -> None:
    assert read_class_names(json.dumps(tree).encode(), "class_names.json") == ANIMALS


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("labels.txt", b"", "classes that it lists is 0"),
        ("labels.txt", b"one", "classes that it lists is 1"),
        ("labels.txt", b"a\na", "listed twice"),
        ("labels.txt", b"\xff\xfe", "codec"),
        ("labels.txt", b"a\nb\x1b[31m", "is not a class name"),
        ("labels.txt", b"a\n" + b"b" * 201, "is not a class name"),
        ("labels.txt", b"a\n" * MAX_LABEL_BYTES, "more than 1,048,576 bytes"),
        ("labels.json", b"{", "Expecting"),
        ("labels.json", b"[1, 2]", "not a list of names"),
        ("labels.json", b"[" * 100_000, "recursion"),
        ("labels.json", b'{"a": 0, "b": 2}', "numbers are not 0 to 1"),
        ("labels.json", b'{"a": 0, "b": "x"}', "numbers are not 0 to 1"),
        ("labels.json", b'"a"', "not a list of names"),
    ],
)
def test_an_invalid_list_of_classes_is_rejected(name: str, content: bytes, reason: str) -> None:
    with pytest.raises(UploadError, match=reason) as refusal:
        read_class_names(content, name)
    assert len(str(refusal.value)) < 400


def test_the_label_file_next_to_a_model_is_found(tmp_path: Path) -> None:
    assert find_beside(tmp_path / "model.h5") is None
    (tmp_path / "labels.txt").write_text("0 zebra\n1 ape\n2 monkey\n")
    assert find_beside(tmp_path / "model.h5") == (tmp_path / "labels.txt", ANIMALS)


@pytest.mark.parametrize(
    ("model_classes", "order"),
    [
        (("ape", "monkey", "zebra"), (0, 1, 2)),
        (ANIMALS, (1, 2, 0)),
        (("Zebra", "APE", "monkey "), (1, 2, 0)),
    ],
)
def test_outputs_are_ordered_by_the_names_of_classes(model_classes: tuple[str, ...], order: tuple[int, ...]) -> None:
    assert order_outputs(model_classes, ("ape", "monkey", "zebra"), "m.h5") == order


def test_names_that_differ_only_in_case_spaces_and_hyphens_match() -> None:
    assert order_outputs(("T-Shirt", "golden retriever"), ("golden_retriever", "t_shirt"), "m.h5") == (1, 0)
    assert order_outputs(("A b", "a_B", "a b"), ("A b", "a b", "a_B"), "m.h5") == (0, 2, 1), (
        "exact matches must have priority"
    )


def test_a_class_that_the_model_lacks_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UploadError, match=r"m\.h5 does not have 'monkeys' \(did you mean monkey\?\)"):
        order_outputs(ANIMALS, ("ape", "monkeys", "zebra"), "m.h5")
