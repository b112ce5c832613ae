"""Runs the code of the notebook and of docs/python.md on the demo data."""

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import darkroom
from tests.support.source_tree import ROOT

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"
PAGE = ROOT / "docs" / "python.md"


def read_cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert all(cell.get("outputs", []) == [] for cell in notebook["cells"]), "the notebook must not contain outputs"
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def read_snippets() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", [*read_cells(), *read_snippets()])
def test_a_snippet_calls_only_existing_functions(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = {"darkroom": darkroom, "run": darkroom.Run, "classifier": darkroom.Classifier}.get(node.value.id)
            assert owner is None or hasattr(owner, node.attr) or node.attr == "path", ast.unparse(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("darkroom."):
            function = getattr(darkroom, ast.unparse(node.func).partition(".")[2])
            keywords = {str(keyword.arg): None for keyword in node.keywords}
            inspect.signature(function).bind(*node.args, **keywords)


def run_cells(cells: list[str], cwd: Path) -> str:
    """Runs cells in a new interpreter; returns the output, with the value of each cell's last expression."""
    program = []
    for cell in cells:
        tree = ast.parse(cell)
        last = tree.body[-1]
        if isinstance(last, ast.Expr):
            tree.body[-1] = ast.parse(f"print({ast.unparse(last)})").body[0]
        program.append(ast.unparse(tree))
    result = subprocess.run(
        [sys.executable, "-P", "-c", "\n".join(program)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.proof
def test_the_notebook_runs_on_the_demo_data(tmp_path: Path) -> None:
    output = run_cells(read_cells(), tmp_path)
    accuracy = float(re.findall(r"'test/accuracy': ([\d.]+)", output)[0])
    assert accuracy > 0.9
    assert len(re.findall(r"^\d is classified as \d \(", output, re.MULTILINE)) == 5
    (report,) = re.findall(r"^Report: (.+)$", output, re.MULTILINE)
    assert Path(report).is_file()


SERVE = """
import contextlib
from components.deploy.bento.server import serving

stack = contextlib.ExitStack()
address = stack.enter_context(serving(run.path / "bento"))
"""


@pytest.mark.proof
def test_the_snippets_of_the_guide_run_on_the_demo_data(tmp_path: Path) -> None:
    snippets = [snippet.replace('"http://127.0.0.1:3000"', "address") for snippet in read_snippets()]
    output = run_cells([snippets[0], SERVE, *snippets[1:], "stack.close()"], tmp_path)
    assert "train.epoch: unknown key (did you mean epochs?)." in output
    labels = ast.literal_eval(next(line for line in output.splitlines() if line.startswith("[")))
    assert len(labels) == 3
