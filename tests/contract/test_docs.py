"""The documentation: its commands and paths exist, its decisions have dates, its pictures are small."""

import ast
import functools
import importlib
import re
import sys
from pathlib import Path

import pytest

from pipelines.cli.main import main
from tests.support.source_tree import ROOT, relative

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PICTURES = sorted((ROOT / "docs" / "pictures").glob("*.webp"))
MAX_PICTURE_BYTES = 150_000
PACKAGES = ("darkroom", "components", "pipelines")

PATH = re.compile(r"`((?:components|darkroom|pipelines|tests|docs|k8s|examples|requirements|benchmarks)/[\w./-]*)`")
LABELS = ("darkroom/step", "darkroom/gateway")
"""Kubernetes labels, which look like paths."""
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
MAKE = re.compile(r"(?:^|`)make ([a-z][a-z-]+)", re.MULTILINE)
GROUPS = ("data", "model", "images")
"""Verbs with subcommands."""


@pytest.fixture
def help_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    @functools.cache
    def read(*verb: str) -> str:
        monkeypatch.setattr(sys, "argv", ["darkroom", *verb, "--help"])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code in (0, None), verb
        return capsys.readouterr().out

    return read


def commands(text: str) -> set[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Returns (verb, options) of each `darkroom` command in the code blocks and inline code of a page."""
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]*(?:\n[^`\n]+)?)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    lines = [line for block in blocks for line in block.splitlines()] + [span.replace("\n", " ") for span in spans]
    found = set()
    for line in lines:
        words = line.split("#")[0].split()
        for position, word in enumerate(words):
            if word.rpartition("/")[2] != "darkroom" or words[position - 1 : position] not in ([], ["&&"]):
                continue
            rest = words[position + 1 :]
            if rest and re.fullmatch(r"[a-z][a-z-]+", rest[0]):
                verb = tuple(rest[:2] if rest[0] in GROUPS and len(rest) > 1 else rest[:1])
                found.add((verb, tuple(OPTION.findall(" ".join(rest)))))
    return found


def test_every_command_in_the_documentation_exists(help_of) -> None:
    uses = {use: page for page in PAGES for use in commands(page.read_text())}
    assert len(uses) > 40
    for (verb, options), page in uses.items():
        text = help_of(*verb)
        for option in options:
            assert option in text, f"{relative(page)}: darkroom {' '.join(verb)} has no {option}"


def test_every_make_target_in_the_documentation_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for page in PAGES for target in MAKE.findall(page.read_text())}
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    (matrix,) = re.findall(r"target: \[(.*)\]", workflow)
    named |= set(matrix.split(", "))
    assert {"run", "test", "lint", "docs"} <= named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_path_in_the_documentation_exists(page: Path) -> None:
    text = page.read_text().split("\n### Add a step")[0]  # the files of this recipe do not exist yet
    assert [path for path in PATH.findall(text) if not (ROOT / path).exists() and path not in LABELS] == []


@pytest.mark.parametrize("page", DECISIONS, ids=relative)
def test_every_decision_has_a_date_and_every_area_is_in_the_index(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"^## .*\n(?!\*20\d\d-\d\d-\d\d\*\n)", text, re.MULTILINE) == []
    assert "\n## " in text
    assert f"(decisions/{page.name})" in (ROOT / "docs" / "decisions.md").read_text()


@pytest.mark.parametrize("path", PICTURES, ids=relative)
def test_a_picture_is_small_and_in_the_readme(path: Path) -> None:
    assert path.stat().st_size < MAX_PICTURE_BYTES
    assert f"(docs/pictures/{path.name})" in (ROOT / "README.md").read_text()


def test_every_import_from_darkroom_in_the_documentation_exists() -> None:
    names = set()
    for page in (page for page in PAGES if page.name != "CONTRIBUTING.md"):  # tested by test_contributing.py
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in PACKAGES:
                    names |= {(str(node.module), alias.name) for alias in node.names}
    assert ("darkroom", "Client") in names
    assert not [name for name in names if not hasattr(importlib.import_module(name[0]), name[1])]
