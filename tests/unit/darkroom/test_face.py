"""The public package: it is quick to import and typed, and its client needs only the standard library."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import darkroom
from darkroom.runs import Run, _flatten
from tests.contract.test_imports import HEAVY
from tests.support.source_tree import ROOT

ONLY_STANDARD = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})

class Refusal:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("components", "darkroom"):
            raise ImportError(f"{{name}} is not in the standard library")

sys.meta_path.insert(0, Refusal())
"""


def run_python(program: str, cwd: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-P", *options, "-c", program]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_client_needs_only_the_standard_library(tmp_path: Path) -> None:
    program = ONLY_STANDARD + (
        "from components.deploy.client import Client\n"
        "try:\n    Client('http://127.0.0.1:1').predict([b'photo'])\nexcept Exception as error:\n    print(error)\n"
    )
    for options in ((), ("-S",)):
        result = run_python(program, tmp_path, *options)
        assert result.stdout.startswith("No service answers at http://127.0.0.1:1"), result.stderr


def test_the_public_package_imports_nothing_but_the_standard_library(tmp_path: Path) -> None:
    refusal = ONLY_STANDARD.replace('("components", "darkroom")', '("components", "darkroom", "pipelines")')
    result = run_python(refusal + "import darkroom; print(darkroom.Client.__name__)", tmp_path)
    assert result.stdout == "Client\n", result.stderr


def test_importing_the_public_package_imports_no_large_libraries(tmp_path: Path) -> None:
    result = run_python("import darkroom, sys; print(*sys.modules)", tmp_path)
    assert not set(result.stdout.split()) & {*HEAVY, "numpy", "pydantic", "PIL", "click", "rich"}


def test_every_public_name_is_documented() -> None:
    for name in darkroom.__all__:
        thing = getattr(darkroom, name)
        assert isinstance(thing, str) or thing.__doc__, name
    assert (ROOT / "darkroom" / "py.typed").exists()


@pytest.mark.parametrize(
    ("name", "value", "settings"),
    [
        ("train", {"epochs": 5, "model": {"name": "Xception"}}, ["train.epochs=5", 'train.model.name="Xception"']),
        ("train.epochs", 5, ["train.epochs=5"]),
        ("train", {"model": {"layers": [{"Dense": {"units": 4}}]}}, ['train.model.layers=[{"Dense": {"units": 4}}]']),
        ("tune", {"space": {"train.seed": [1, 2]}}, ['tune.space={"train.seed": [1, 2]}']),
        ("train", {"model": {"path": Path("m.keras")}}, ['train.model.path="m.keras"']),
        ("evaluate", {"compare_with": None}, ["evaluate.compare_with=null"]),
    ],
)
def test_nested_params_become_key_value_settings(name: str, value: object, settings: list[str]) -> None:
    assert list(_flatten(name, value)) == settings


def test_an_unknown_param_is_reported_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(darkroom.DarkroomError, match=r"^train.epoch: unknown key \(did you mean epochs\?\)"):
        darkroom.run("photos", train={"epoch": 5})
    assert list(tmp_path.iterdir()) == []


def test_a_run_reads_its_results(tmp_path: Path) -> None:
    figures = {
        "accuracy": {"value": 0.9, "low": 0.8, "high": 0.95},
        "macro_f1": {"value": 0.8, "low": 0.7, "high": 0.9},
    }
    run = Run(tmp_path)
    (tmp_path / "summary.json").write_text(json.dumps({"validation": figures, "test": figures, "promoted": True}))
    assert run.metrics == {
        "validation/accuracy": 0.9,
        "validation/macro_f1": 0.8,
        "test/accuracy": 0.9,
        "test/macro_f1": 0.8,
    }
    assert (run.id, run.promoted, run.report.name) == (tmp_path.name, True, "report.html")
