"""The wheel that `pip install .` installs: its files, and whether the command and the package work from it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT

TOP = {"components", "darkroom", "pipelines"}


@pytest.fixture(scope="module")
def site_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content, as in site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    source_dir = folder / "source"  # a build in the checkout would include files from earlier builds
    for name in TOP:
        shutil.copytree(ROOT / name, source_dir / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source_dir)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*command, str(folder), str(source_dir)], check=True, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def files_of(root: Path) -> set[Path]:
    """Returns the paths of the three packages' files, relative to `root`."""
    files = {path for name in TOP for path in (root / name).rglob("*") if path.is_file()}
    return {path.relative_to(root) for path in files if path.suffix != ".pyc" and path.name != "Dockerfile"}


def run(site_dir: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs Python code as if the wheel were installed in this environment."""
    program = f"import sys; sys.path.insert(0, {str(site_dir)!r})\n"
    return subprocess.run(
        [sys.executable, "-P", "-c", program + words[0], *words[1:]],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_contains_three_packages_and_all_their_files(site_dir: Path) -> None:
    packages = {path.name for path in site_dir.iterdir() if not path.name.endswith(".dist-info")}
    assert packages == TOP
    assert files_of(site_dir) == files_of(ROOT)


def test_the_command_and_the_public_package_work_from_the_wheel(site_dir: Path, tmp_path: Path) -> None:
    imported = run(site_dir, tmp_path, "import darkroom; print(darkroom.__file__, darkroom.__version__)")
    assert imported.stdout.startswith(str(site_dir)), imported.stderr
    helped = run(site_dir, tmp_path, "import runpy; runpy.run_module('darkroom', run_name='__main__')", "--help")
    assert helped.returncode == 0
    assert helped.stdout.startswith("Usage: darkroom")


def test_a_package_that_shadows_one_of_darkrooms_packages_is_reported(site_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "components").mkdir()
    (tmp_path / "components" / "__init__.py").touch()
    failed = run(site_dir, tmp_path, f"sys.path.insert(0, {str(tmp_path)!r}); import darkroom")
    assert failed.returncode == 1
    assert str(tmp_path / "components" / "__init__.py") in failed.stderr
