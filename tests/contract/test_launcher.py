"""Only the launcher starts programs, and foreign names become paths in only one place."""

import ast
from pathlib import Path

import pytest

from tests.support.source_tree import MODULES, ROOT

LAUNCHER = ROOT / "components" / "contract" / "system" / "launcher.py"
KEEPERS = (
    ROOT / "components" / "deploy" / "bento" / "supervisor.py",
    ROOT / "pipelines" / "studio" / "jobs" / "job_process.py",
)
"""Modules that import nothing from the project and start only the command that the launcher built for them."""
STARTING = {
    "subprocess": ("run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput"),
    "psutil": ("Popen",),
    "os": (
        "system",
        "popen",
        "startfile",
        "posix_spawn",
        "posix_spawnp",
        "fork",
        "forkpty",
        "execv",
        "execve",
        "execvp",
        "execvpe",
        "execl",
        "execle",
        "execlp",
        "execlpe",
        "spawnv",
        "spawnve",
        "spawnl",
        "spawnlp",
    ),
    "asyncio": ("create_subprocess_exec", "create_subprocess_shell"),
    "pty": ("spawn", "fork"),
}


def launches(tree: ast.AST) -> list[str]:
    """Returns the calls in a file that start a program, through a module or through an imported name."""
    own = {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in STARTING.get(str(node.module), ())
    }
    return [
        ast.unparse(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        if (isinstance(node.func, ast.Name) and node.func.id in own)
        or (
            isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.attr in STARTING.get(node.func.value.id, ())
        )
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_launcher_starts_programs(path: Path) -> None:
    tree = ast.parse(path.read_text())
    if path in KEEPERS:
        assert not any(
            isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.executable" for node in ast.walk(tree)
        ), "the module must start only the command that it is given"
    elif path != LAUNCHER:
        assert launches(tree) == []
        assert not any(isinstance(node, ast.keyword) and node.arg == "shell" for node in ast.walk(tree))


def test_the_check_detects_calls_that_start_a_program() -> None:
    assert launches(ast.parse("import subprocess\nsubprocess.run(['git'])")) == ["subprocess.run"]
    assert launches(ast.parse("from subprocess import Popen as Start\nStart(['git'])")) == ["Start"]
    assert launches(ast.parse("import os\nos.execve('x', [], {})")) == ["os.execve"]


def test_foreign_names_are_validated_in_one_place() -> None:
    """Code that compares something with `..` validates names; only these files may do so, for the reasons given."""
    allowed = {
        "components/contract/foreign/confinement.py": "the module that validates foreign names",
        "components/contract/foreign/repository.py": "names of git references",
        "components/preprocess/sources/file_index.py": "names that are only compared with file names, never opened",
        "components/preprocess/sources/remote/addresses.py": "revisions: main..other is not a revision",
        "components/train/keras_import/description/network.py": "names of layers, which are not paths",
        "pipelines/studio/playground.py": "names of packages, which must not contain a slash or `..`",
    }
    judging = {
        str(path.relative_to(ROOT))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare)
        and any(isinstance(part, ast.Constant) and part.value == ".." for part in (node.left, *node.comparators))
    }
    assert judging <= allowed.keys()
