"""Turns a folder of labelled photos into a classifier. This is the only package that users import."""

import importlib.util
from importlib.metadata import version
from pathlib import Path

__all__ = ["__version__"]

__version__ = version("darkroom")


def _require_own_packages() -> None:
    """Requires `components` and `pipelines` to be the ones that come with Darkroom.

    Raises:
        ImportError: another package of that name comes first on the import path.
    """
    home = Path(__file__).resolve().parents[1]
    for name in ("components", "pipelines"):
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin != home / name / "__init__.py":
            raise ImportError(
                f"`{name}` must be the package that comes with Darkroom, in {home}; Python finds "
                f"{origin or 'a folder without an __init__.py, or nothing'}. Start Python elsewhere, or with -P, or "
                "rename that folder."
            )


_require_own_packages()
