"""The budget for untrusted input, and the files and documents that are read within it."""

import os
import time
from pathlib import Path

import pytest

from components.contract.errors import DataError, ParamsError
from components.contract.foreign.documents import DocumentError, parse_json, parse_yaml
from components.contract.params.pipeline import load_params
from components.contract.system.budget import Budget, open_regular, read_regular


def budget_of(**limits: float) -> Budget:
    return Budget("The input", "Shorten it.", **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "within", "beyond", "message"),
    [
        ({"max_bytes": 10}, {"num_bytes": 10}, {"num_bytes": 1}, "contain at most 10 bytes; it contains more"),
        ({"max_members": 3}, {"num_members": 3}, {"num_members": 1}, "at most 3 files and folders; it contains more"),
        ({"max_memory_bytes": 10**6}, {"memory_bytes": 10**6}, {"memory_bytes": 1}, "at most 1 MB of memory"),
    ],
)
def test_a_budget_accepts_input_up_to_exactly_its_limit(
    limits: dict[str, int], within: dict[str, int], beyond: dict[str, int], message: str
) -> None:
    budget = budget_of(**limits)
    budget.spend(**within)
    with pytest.raises(DataError, match=f"The input must.*{message}.*Shorten it"):
        budget.spend(**beyond)


def test_the_time_limit_grows_only_with_the_bytes_read() -> None:
    budget = budget_of(start_seconds=0.0, bytes_per_second=1000)
    budget.spend(10_000)
    budget = budget_of(start_seconds=0.0, bytes_per_second=1000)
    time.sleep(0.05)
    with pytest.raises(DataError, match="must be read within 0 s; only 1 byte had arrived after 0 s"):
        budget.spend(1)


def test_uninterruptible_work_is_abandoned_after_its_time_limit() -> None:
    with pytest.raises(DataError, match="must answer within 0 s"):
        budget_of().wait_for(lambda: time.sleep(5), 0.1)
    assert budget_of().wait_for(lambda: 7, 5.0) == 7
    with pytest.raises(KeyError):
        budget_of().wait_for(lambda: {}["absent"], 5.0)


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "link", Path("/proc/self/status"), Path("/dev/null")):
        with pytest.raises(OSError, match="not a regular file"):
            open_regular(path)
    assert read_regular(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="it has 5 bytes, more than the limit of 4"):
        read_regular(tmp_path / "file", 4)


def test_a_params_file_that_is_a_device_or_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", Path("/dev/zero")):
        with pytest.raises(ParamsError, match="cannot be read as a text file: it is a folder, pipe or device"):
            load_params(path)


@pytest.mark.parametrize(
    "override",
    [
        "train.model.layers=" + "[" * 5000,
        "train." + ".".join("a" * 3000) + "=1",
        "train.epochs=" + "9" * 5000,
        "train.epochs=" + "1" * 300_000,
        "train.epochs={? [1] : 2}",
        "train.epochs=!!timestamp 2001-99-99",
    ],
)
def test_an_override_that_attacks_the_parser_is_rejected(override: str) -> None:
    with pytest.raises(ParamsError) as refusal:
        load_params(None, ("data.uri=photos", override))
    assert len(str(refusal.value)) < 5000


def test_aliases_are_accepted_if_they_expand_to_few_values() -> None:
    tree = parse_yaml("base: &base {epochs: 3}\ntrain: {<<: *base}\nlist: [*base, *base]")
    assert tree["train"]["epochs"] == tree["list"][1]["epochs"] == 3


@pytest.mark.parametrize("text", ["[" * 5000, "1e999", "-Infinity", "9" * 400, '{"a": ' * 40 + "1" + "}" * 40])
def test_json_that_is_nested_too_deeply_or_has_invalid_numbers_is_rejected(text: str) -> None:
    with pytest.raises(DocumentError):
        parse_json(text)
