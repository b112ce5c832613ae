"""Mounts small file systems that tests can fill or make read-only; only root can mount them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Creates `folder` and mounts a tmpfs of this size there during the block; skips the test if mounting fails."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    """Remounts the file system at `folder` with different options, such as `size=…` or `ro`."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)
