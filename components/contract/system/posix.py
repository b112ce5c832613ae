"""Ends programs on systems that Darkroom does not run on."""

import importlib.util
import sys

USER_ERROR = 2
"""The exit code: the user can solve the problem."""


def require_posix() -> None:
    """Ends the program with exit code 2 on Windows, before an import of `fcntl` fails."""
    if importlib.util.find_spec("fcntl") is None:
        print(  # noqa: T201 - the message of a program that ends here
            "darkroom: Darkroom needs Linux, macOS, or Windows with WSL2; this is Windows without WSL2. Install WSL2 "
            "(wsl --install), open its Linux, and install and run Darkroom there.",
            file=sys.stderr,
        )
        sys.exit(USER_ERROR)
