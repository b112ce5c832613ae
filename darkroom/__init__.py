"""Turns a folder of labeled photos into a classifier. This is the only package that users import.

run = darkroom.run("photos", train={"epochs": 5})
classifier = darkroom.load("latest")
client = darkroom.Client("http://127.0.0.1:3000")
"""

import importlib.util
from pathlib import Path

__version__: str


def __getattr__(name: str) -> str:
    """Returns the version of the package for `__version__`."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("darkroom")


def _require_own_packages() -> None:
    """Requires that `components` and `pipelines` are the packages installed with Darkroom.

    Raises:
        ImportError: another package with that name comes first on the import path.
    """
    home = Path(__file__).resolve().parents[1]
    for name in ("components", "pipelines"):
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin != home / name / "__init__.py":
            raise ImportError(
                f"`{name}` must be the package installed with Darkroom, in {home}, but Python finds "
                f"{origin or 'a folder without an __init__.py, or nothing'}. Start Python in another "
                "folder, or with -P, or rename the other package."
            )


_require_own_packages()

from components.contract.errors import DarkroomError  # noqa: E402 - imported after the check that the package is ours
from components.deploy.client import Client, Failure, Prediction  # noqa: E402
from darkroom.classifier import Classifier, load  # noqa: E402
from darkroom.runs import Run, run, write_demo_data  # noqa: E402

__all__ = [
    "Classifier",
    "Client",
    "DarkroomError",
    "Failure",
    "Prediction",
    "Run",
    "__version__",
    "load",
    "run",
    "write_demo_data",
]
