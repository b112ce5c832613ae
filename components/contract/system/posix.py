"""Stops the program with a message if the system is not POSIX; locks files."""

import importlib.util
import sys

USER_ERROR = 2
"""The exit code for problems that the user can fix."""


def require_posix() -> None:
    """Ends the program with exit code 2 on Windows, before an import of `fcntl` fails."""
    if importlib.util.find_spec("fcntl") is None:
        print(  # noqa: T201 - the message of a program that ends here
            "darkroom: Darkroom needs Linux, macOS, or Windows with WSL2; this is Windows without WSL2. "
            "Run wsl --install, open the Linux system that it installs, and install and run Darkroom there.",
            file=sys.stderr,
        )
        sys.exit(USER_ERROR)


def try_lock(descriptor: int) -> bool:
    """Locks an open file or folder until it is closed; False if another process has the lock.

    On a file system without locks it always returns True. `filelock` is not used, because it cannot lock folders, or
    files that a child process inherits.
    """
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
