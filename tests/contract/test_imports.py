"""Who may import whom, and what may not be imported early: read from the code, and seen in a fresh process."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEPS = ("preprocess", "train", "evaluate", "deploy")
HEAVY = ("bentoml", "kfp", "matplotlib", "mlflow", "openvino", "optuna", "pandas", "sklearn", "tensorflow", "keras")
MODULES = sorted(path for top in ("components", "pipelines") for path in (ROOT / top).rglob("*.py"))


def imports(path: Path, *, at_import_time: bool = False) -> set[str]:
    """The modules that a file imports; with `at_import_time` only those outside functions."""
    return {name for node in _nodes(ast.parse(path.read_text()), at_import_time) for name in _names(node)}


def _nodes(tree: ast.AST, at_import_time: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if at_import_time and (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _is_type_checking(node)):
            continue
        yield node
        yield from _nodes(node, at_import_time)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def within(names: set[str], *packages: str) -> set[str]:
    return {name for name in names if any(name == package or name.startswith(f"{package}.") for package in packages)}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_component_imports_the_pipelines(path: Path) -> None:
    if path.is_relative_to(ROOT / "components"):
        assert not within(imports(path), "pipelines", "tests", "benchmarks")


@pytest.mark.parametrize("step", STEPS)
def test_a_step_imports_no_other_step(step: str) -> None:
    others = [f"components.{other}" for other in STEPS if other != step]
    for path in (ROOT / "components" / step).rglob("*.py"):
        assert not within(imports(path), *others), path


def test_the_contract_imports_no_step_no_kfp_and_no_tensorflow() -> None:
    forbidden = [*(f"components.{step}" for step in STEPS), "kfp", "tensorflow", "keras"]
    for path in (ROOT / "components" / "contract").rglob("*.py"):
        assert not within(imports(path), *forbidden), path


@pytest.mark.parametrize("step", STEPS)
def test_a_component_imports_only_kfp_until_it_runs(step: str) -> None:
    names = imports(ROOT / "components" / step / "component.py", at_import_time=True)
    assert names == within(names, "kfp")
    assert names


@pytest.mark.parametrize("step", STEPS)
def test_only_its_callers_import_a_step(step: str) -> None:
    callers = {"component.py", "__main__.py"}
    for path in (ROOT / "components" / step).rglob("*.py"):
        if within(imports(path), f"components.{step}.step"):
            assert path.name in callers, path


@pytest.mark.parametrize("step", STEPS)
def test_a_program_of_a_step_is_short(step: str) -> None:
    assert len((ROOT / "components" / step / "__main__.py").read_text().splitlines()) <= 40


def test_only_one_module_speaks_to_a_kfp_server() -> None:
    for path in (ROOT / "pipelines").rglob("*.py"):
        if path.name != "cluster.py":
            assert not within(imports(path), "kfp.client", "kfp.compiler", "kfp_server_api"), path


@pytest.mark.parametrize(
    "statement",
    [
        "import pipelines.cli.main; pipelines.cli.main.build_parser().format_help()",
        "import components.contract.params.pipeline",
        "import components.contract.params.resolve",
        *(f"import components.{step}.step" for step in STEPS),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(statement: str) -> None:
    program = f"{statement}\nimport sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert not set(loaded) & set(HEAVY)
