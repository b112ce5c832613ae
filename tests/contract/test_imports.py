"""The import rules between packages, checked in the source code and in a new process."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source_tree import MODULES, ROOT, imports, relative, within

STEPS = ("preprocess", "train", "evaluate", "deploy")
HEAVY = ("bentoml", "kfp", "matplotlib", "mlflow", "openvino", "optuna", "pandas", "sklearn", "tensorflow", "keras")


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_component_imports_the_pipelines(path: Path) -> None:
    if path.is_relative_to(ROOT / "components"):
        assert not within(imports(path), "pipelines", "tests", "benchmarks")


@pytest.mark.parametrize("step", STEPS)
def test_a_step_imports_no_other_step(step: str) -> None:
    others = [f"components.{other}" for other in STEPS if other != step]
    for path in (ROOT / "components" / step).rglob("*.py"):
        assert not within(imports(path), *others), path


def test_the_contract_imports_neither_steps_nor_kfp_nor_tensorflow() -> None:
    forbidden = [*(f"components.{step}" for step in STEPS), "kfp", "tensorflow", "keras"]
    for path in (ROOT / "components" / "contract").rglob("*.py"):
        assert not within(imports(path), *forbidden), path


@pytest.mark.parametrize("step", STEPS)
def test_a_component_imports_only_kfp_until_it_runs(step: str) -> None:
    names = imports(ROOT / "components" / step / "component.py", at_import_time=True)
    assert names == within(names, "kfp")
    assert names


@pytest.mark.parametrize("step", STEPS)
def test_only_the_component_and_the_program_import_a_step(step: str) -> None:
    callers = {"component.py", "__main__.py"}
    for path in (ROOT / "components" / step).rglob("*.py"):
        if within(imports(path), f"components.{step}.step"):
            assert path.name in callers, path


@pytest.mark.parametrize("step", STEPS)
def test_the_program_of_a_step_is_short(step: str) -> None:
    assert len((ROOT / "components" / step / "__main__.py").read_text().splitlines()) <= 40


def test_only_one_folder_imports_kfps_client() -> None:
    for path in (ROOT / "pipelines").rglob("*.py"):
        if path.parent != ROOT / "pipelines" / "runners" / "cluster":
            assert not within(imports(path), "kfp.client", "kfp.compiler", "kfp_server_api"), path


@pytest.mark.parametrize(
    "statement",
    [
        "import pipelines.cli.main; pipelines.cli.main.call(['--help'])",
        "import components.contract.params.pipeline",
        "import components.contract.params.resolve",
        *(f"import components.{step}.step" for step in STEPS),
    ],
)
def test_no_heavy_package_is_imported_before_it_is_used(statement: str) -> None:
    program = f"{statement}\nimport sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert not set(loaded) & set(HEAVY)
