"""The source tree: its root, its modules and the imports of each module."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for top in ("components", "darkroom", "pipelines") for path in (ROOT / top).rglob("*.py"))


def imports(path: Path, *, at_import_time: bool = False) -> set[str]:
    """Returns the modules that a file imports; with `at_import_time`, only those imported when the file is imported."""
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
