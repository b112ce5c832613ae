"""The init container runs `python -m components.deploy.release.download /bento`, which writes /bento/bento."""

import argparse
import sys
from pathlib import Path

from components.contract.system.program import exit_code, running_step


def main() -> None:
    """Downloads the bento that DARKROOM_BENTO names."""
    from components.deploy.release.package import fetch, read_reference

    parser = argparse.ArgumentParser(prog="python -m components.deploy.release.download")
    parser.add_argument("folder", type=Path, help="the folder in which bento/ is created")
    arguments = parser.parse_args()
    with running_step("fetch"):
        fetch(read_reference(), arguments.folder / "bento")


if __name__ == "__main__":
    sys.exit(exit_code(main))
