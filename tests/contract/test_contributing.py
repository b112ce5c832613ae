"""Applies each recipe of CONTRIBUTING.md to a copy of the code and runs its check there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT

COPIED = ("components", "darkroom", "pipelines", "tests", "dvc.yaml", "params.yaml", "params.schema.json")
FILE_BLOCK = re.compile(r"^`([\w./-]+)`:\n\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHECK = re.compile(r"^Check:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPES = dict(
    section.split("\n", 1)
    for section in (ROOT / "CONTRIBUTING.md").read_text().split("## Recipes\n")[1].split("\n### ")[1:]
)
NUM_CHANGED_FILES = {
    "Add a layer": 3,
    "Add a backbone": 2,
    "Add a metric": 3,
    "Change a default": 2,
    "Add a step": 6,
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def change(text: str, diff: list[str]) -> str:
    """Applies a diff to a string, which must contain the diff's old lines exactly once."""
    old, new = ("".join(f"{line[1:]}\n" for line in diff if line[:1] != sign) for sign in "+-")
    assert text.count(old) == 1, old
    return text.replace(old, new)


def apply(recipe: str, folder: Path) -> set[str]:
    """Writes the new files of a recipe and applies its changes; returns the paths of the new and the changed files."""
    paths = set()
    for path, language, text in FILE_BLOCK.findall(recipe):
        paths.add(path)
        if language == "diff":
            text = change((folder / path).read_text(), text.splitlines())
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    return paths


def test_every_recipe_is_tested() -> None:
    assert set(RECIPES) == set(NUM_CHANGED_FILES)


@pytest.mark.parametrize("title", NUM_CHANGED_FILES)
def test_a_recipe_works_as_written(title: str, copy: Path) -> None:
    paths = apply(RECIPES[title], copy)
    assert len(paths) == NUM_CHANGED_FILES[title]
    (check,) = CHECK.findall(RECIPES[title])
    program = f"import sys; sys.path.insert(0, {str(copy)!r})\n{check}"
    result = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=copy, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    python_files = [path for path in paths if path.endswith(".py")]
    linted = subprocess.run(
        [sys.executable, "-P", "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), *python_files],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout
