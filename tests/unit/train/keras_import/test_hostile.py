"""Hostile uploads are refused quickly, with a reason and without side effects."""

import resource
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from components.contract.errors import UploadError
from components.train.keras_import.importing import Expectation, import_model, inspect_upload
from components.train.keras_import.limits import GIB, Limits
from tests.cases.hostile_models import HOSTILE
from tests.cases.hostile_models.attack import COMPILED, Attack
from tests.cases.hostile_models.files import honest, keras_file, layer, network, weights_file

SECONDS = 30
SAMPLE = (
    "lambda_at_top",
    "lambda_in_a_submodel",
    "lambda_in_a_pipeline",
    "attention_over_every_pixel",
    "lambda_in_a_legacy_file",
    "foreign_module",
    "saved_model_layer",
    "vocabulary_address",
    "zip_slip_up",
    "zip_slip_absolute",
    "zip_with_a_link",
    "zip_bomb",
    "h5_external_link",
    "h5_virtual_array",
    "h5_shape_bomb",
    "h5_object_references",
    "dense_of_a_billion",
    "json_of_5000_levels",
    "weights_of_nan",
    "truncated_keras",
    "random_bytes",
    "registered_name_of_another",
)

_heard: list[str] | None = None


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if _heard is not None and event.startswith(("socket.", "pickle.", "os.system", "os.exec", "os.fork", "ctypes.")):
        _heard.append(event)


sys.addaudithook(_listen)  # permanently: Python cannot remove an audit hook


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """Records operations that reading a model must not need: opening sockets, unpickling and starting programs."""
    global _heard
    _heard = []
    yield _heard
    _heard = None


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A server to which hostile code would connect."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


@pytest.fixture
def attack(tmp_path: Path, server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Attack:
    for name in ("upload", "outside", "scratch"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "secret.txt").write_bytes(b"secret" * 1000)
    with h5py.File(tmp_path / "outside" / "secret.h5", "w") as file:
        file["secret"] = np.ones((192, 3), np.float32)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    return Attack(tmp_path / "upload", tmp_path / "marker.txt", server.getsockname()[1], tmp_path / "outside")


def _state(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def check_refused(name: str, attack: Attack, server: socket.socket, heard: list[str]) -> None:
    maker, reason = HOSTILE[name]
    path = maker(attack)
    before, memory = _state(attack.folder.parent), _peaks()
    heard.clear()
    start = time.monotonic()
    with pytest.raises(UploadError) as refusal:
        import_model(path, attack.folder.parent / "output" / "model")
    seconds = time.monotonic() - start
    text = str(refusal.value)
    assert reason in text, text
    assert text.startswith(f"{path}: ")
    assert len(text) < 1000
    assert text.rstrip().endswith((".", "…"))
    assert seconds < SECONDS
    assert heard == []
    assert _state(attack.folder.parent) == before, "no file may be written or changed"
    assert not attack.marker.exists()
    with pytest.raises(BlockingIOError):
        server.accept()
    ours, children = _peaks()
    assert ours - memory[0] < GIB / 2
    # The peak memory of a forked child starts at the memory of its parent.
    assert children <= max(memory[1], ours, Limits().reader_memory_bytes)


def _peaks() -> tuple[int, int]:
    """Returns the peak memory of this process and of its largest finished child process, in bytes."""
    return tuple(resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))  # type: ignore[return-value]


@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_of_hostile_uploads_is_refused(
    name: str, attack: Attack, server: socket.socket, heard: list[str]
) -> None:
    check_refused(name, attack, server, heard)


@pytest.mark.proof
@pytest.mark.parametrize("name", sorted(set(HOSTILE) - set(SAMPLE)))
def test_every_hostile_upload_is_refused(name: str, attack: Attack, server: socket.socket, heard: list[str]) -> None:
    check_refused(name, attack, server, heard)


@pytest.mark.parametrize("name", sorted(COMPILED))
def test_the_compile_config_is_ignored(name: str, attack: Attack, server: socket.socket, heard: list[str]) -> None:
    path = COMPILED[name](attack)
    before = _state(attack.folder.parent)
    heard.clear()
    facts = inspect_upload(path)
    assert (facts.num_outputs, facts.output) == (3, "softmax")
    assert heard == []
    assert _state(attack.folder.parent) == before, "no file may be written or changed"
    assert not attack.marker.exists()
    with pytest.raises(BlockingIOError):
        server.accept()


def test_the_attacks_work_without_the_safe_import(attack: Attack, server: socket.socket) -> None:
    """If the attacks did not work, the absence of their traces would prove nothing."""
    connection = eval(attack.source)
    assert attack.marker.read_text() == "ran" or connection


@pytest.mark.parametrize(
    ("num_classes", "reason"), [(10, "each of the 10 classes"), (2, "this one outputs a vector of 3")]
)
def test_a_model_with_the_wrong_number_of_outputs_is_refused(num_classes: int, reason: str, attack: Attack) -> None:
    with pytest.raises(UploadError, match=reason):
        import_model(honest(attack), attack.folder / "output", expected=Expectation(num_classes=num_classes))


@pytest.mark.parametrize(("architecture", "reason"), [(None, "none is set"), ("os.system", "one of ConvNeXt")])
def test_weights_alone_need_a_known_architecture(architecture: str | None, reason: str, attack: Attack) -> None:
    path = attack.folder / "model.weights.h5"
    path.write_bytes(weights_file())
    with pytest.raises(UploadError, match=reason):
        import_model(path, attack.folder / "output", expected=Expectation(architecture=architecture))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UploadError, match="An uploaded model must be a file; found none at "):
        import_model(tmp_path / "none.keras", tmp_path / "output")


def test_a_file_that_is_too_large_is_rejected(attack: Attack) -> None:
    with pytest.raises(UploadError, match="at most 1,000 bytes"):
        import_model(honest(attack), attack.folder / "output", limits=Limits(max_bytes=1000))


@pytest.mark.proof
def test_a_model_that_outputs_nan_is_rejected(attack: Attack) -> None:
    def change(file: h5py.File) -> None:
        for number, value in enumerate((1.0, 0.0, 0.0, -1.0)):  # a variance below zero
            file[f"layers/batch_normalization/vars/{number}"] = np.full(3, value, np.float32)

    path = keras_file(attack, network(layer("BatchNormalization", "bn", "input"), last="bn"), weights_file(change))
    with pytest.raises(UploadError, match="outputs NaN or infinity"):
        import_model(path, attack.folder / "output")
    assert not (attack.folder / "output").exists()
