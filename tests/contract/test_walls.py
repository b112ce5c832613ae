"""The layout of the code: small folders, each described in one line, and no import cycles."""

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.source_tree import MODULES, ROOT, imports, relative

MAX_FILES = 15
MAX_LINES = 300
FOLDERS = sorted({path.parent for path in MODULES})
NAMES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in MODULES}


@functools.cache
def edges() -> dict[str, set[str]]:
    """Maps each module of the project to the project's modules that it imports, including imports within functions."""
    return {name: {other for other in imports(path) if other in NAMES} - {name} for name, path in NAMES.items()}


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Returns the strongly connected components with more than one node (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if target not in index:
                visit(target)
            if target in stack:
                low[node] = min(low[node], low[target])
        if low[node] == index[node]:
            start = stack.index(node)
            component, stack[start:] = stack[start:], []
            if len(component) > 1:
                components.append(sorted(component))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return components


def children_of(folder: str, graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Returns the imports between the files and subfolders of a folder; each subfolder is one node."""

    def child(name: str) -> str | None:
        return ".".join(name.split(".")[: folder.count(".") + 2]) if name.startswith(f"{folder}.") else None

    between: dict[str, set[str]] = {}
    for name, targets in graph.items():
        node = child(name)
        if node is not None:
            others = {child(target) for target in targets} - {None, node}
            between.setdefault(node, set()).update(other for other in others if other is not None)
    return between


def test_an_import_cycle_is_detected() -> None:
    graph = {"a.b.x": {"a.c.y"}, "a.c.y": {"a.c.z"}, "a.c.z": {"a.b.w"}, "a.b.w": set()}
    assert circles(graph) == []
    assert circles(children_of("a", graph)) == [["a.b", "a.c"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_modules_have_no_import_cycle() -> None:
    assert circles(edges()) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=relative)
def test_folders_have_no_import_cycle(folder: Path) -> None:
    name = ".".join(folder.relative_to(ROOT).parts)
    assert circles(children_of(name, edges())) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=relative)
def test_a_folder_is_small_and_describes_its_content(folder: Path) -> None:
    assert len(list(folder.glob("*.py"))) <= MAX_FILES
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    assert docstring
    assert len(docstring.splitlines()) == 1 or folder.name == "darkroom", (
        "every docstring except that of darkroom must be one line"
    )


def test_a_module_is_short() -> None:
    python_files = [
        path
        for top in (*{path.relative_to(ROOT).parts[0] for path in MODULES}, "tests")
        for path in (ROOT / top).rglob("*.py")
    ]
    lengths = {relative(path): len(path.read_text().splitlines()) for path in python_files}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def test_no_file_disables_the_formatter() -> None:
    marks = ("fmt: " + "skip", "fmt: " + "off")
    for top in ("benchmarks", "components", "darkroom", "pipelines", "tests"):
        for path in (ROOT / top).rglob("*.py"):
            assert not any(mark in path.read_text() for mark in marks), path


def private_imports(path: Path) -> Iterator[str]:
    """Yields the project's private names that a file imports: those with a part that starts with an underscore."""
    for name in imports(path):
        parts = name.split(".")
        if parts[0] in ("components", "pipelines") and any(part.startswith("_") for part in parts):
            yield name


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_file_imports_private_names_from_another(path: Path) -> None:
    assert not list(private_imports(path))


INNER = (
    "components.train.keras_import.confined",
    "components.train.keras_import.description",
    "pipelines.studio.routes",
)
"""Folders that only their parent folder may import."""


@pytest.mark.parametrize("inner", INNER)
def test_only_the_parent_folder_imports_an_inner_folder(inner: str) -> None:
    parent = inner.rpartition(".")[0]
    for name, targets in edges().items():
        if any(target == inner or target.startswith(f"{inner}.") for target in targets):
            assert name.startswith(f"{parent}."), name
