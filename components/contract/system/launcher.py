"""The only place that starts other programs: git, DVC, uv, docker and Darkroom's own.

Neither the working folder nor the data decide what runs. A program is an absolute path found on PATH; Python runs with
`-P`, so that no module of the working folder is imported; the environment is the user's without the variables that load
code or point git at another repository; nothing reads from standard input.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, NoReturn, TypedDict, Unpack

from components.contract.errors import DarkroomError

ROOT: Final = Path(__file__).parents[3]
"""Where the packages `components` and `pipelines` are."""

CODE_LOADING_VARIABLES: Final = frozenset(
    (
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONSTARTUP",
        "PYTHONINSPECT",
        "PYTHONUSERBASE",
        "PYTHONBREAKPOINT",
        "PYTHONWARNINGS",
        "PYTHONPLATLIBDIR",
        "PYTHONEXECUTABLE",
        "PYTHONCASEOK",
        "PYTHONPYCACHEPREFIX",
        "LD_AUDIT",
        "BASH_ENV",
        "ENV",
    )
)
KEPT_GIT_VARIABLES: Final = frozenset(
    (
        "GIT_AUTHOR_NAME",
        "GIT_AUTHOR_EMAIL",
        "GIT_AUTHOR_DATE",
        "GIT_COMMITTER_NAME",
        "GIT_COMMITTER_EMAIL",
        "GIT_COMMITTER_DATE",
        "GIT_ASKPASS",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_SSH_VARIANT",
        "GIT_SSL_CAINFO",
        "GIT_SSL_CAPATH",
        "GIT_SSL_CERT",
        "GIT_SSL_KEY",
        "GIT_SSL_NO_VERIFY",
        "GIT_PROXY_SSL_CAINFO",
        "GIT_HTTP_PROXY_AUTHMETHOD",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM",
        "GIT_CONFIG_NOSYSTEM",
    )
)
"""Signing and connections; all other variables of git select a repository or a program."""
SEARCH_PATHS: Final = ("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD")
"""An empty or relative entry of these means the working folder."""

GIT_SECONDS: Final = 60.0
GIT_PROTOCOLS: Final = "file:git:http:https:ssh"
"""`ext::` runs any command."""
GIT_SETTINGS: Final = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "diff.ignoreSubmodules=all",
    "log.showSignature=false",
    "submodule.recurse=false",
    "protocol.ext.allow=never",
)
"""Settings of a repository that name a program, or lead into another repository, are off."""


class MissingProgramError(DarkroomError, FileNotFoundError):
    """A required program is not installed, or not on PATH."""


def environment() -> dict[str, str]:
    """The environment of a program: this process's own, without what loads code from places that others choose."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in CODE_LOADING_VARIABLES and not _selects_repository(name)
    }
    for name in SEARCH_PATHS:
        if name in variables:
            variables[name] = os.pathsep.join(_absolute(variables[name]))
    if any(Path(entry).resolve() == ROOT for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry):
        variables["PYTHONPATH"] = str(ROOT)  # without an installation, as in the container images
    # -P holds for one process only; this holds for those that it starts.
    return variables | {"PYTHONSAFEPATH": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": GIT_PROTOCOLS}


def _selects_repository(name: str) -> bool:
    return name.startswith("GIT_") and name not in KEPT_GIT_VARIABLES


def _absolute(search_path: str) -> list[str]:
    """The entries of a search path that do not depend on the working folder."""
    return [entry for entry in search_path.split(os.pathsep) if Path(entry).is_absolute()]


def program(name: str, *arguments: str) -> list[str]:
    """The command of a program on PATH.

    Raises:
        MissingProgramError: PATH names no such program.
    """
    folders = [entry for entry in _absolute(os.environ.get("PATH", os.defpath)) if Path(entry) != Path.cwd()]
    path = shutil.which(name, path=os.pathsep.join(folders)) if folders else None
    if path is None:
        raise MissingProgramError(f"The program {name} must be on PATH; it was not found. Install {name}.")
    return [path, *arguments]


def python(module: str, *arguments: str, user_site: bool = True) -> list[str]:
    """The command of a Python module that is installed, or one of Darkroom's own."""
    return [sys.executable, *(() if user_site else ("-s",)), "-P", "-m", module, *arguments]


def script(path: Path, *arguments: str) -> list[str]:
    """The command of a Python file that imports nothing of the project."""
    return [sys.executable, "-I", str(path), *arguments]


class Options(TypedDict, total=False):
    """How a program runs, as `subprocess` has it.

    Attributes:
        cwd: its working folder.
        stdin: what it reads.
        stdout: where its output goes; to the caller by default.
        stderr: where its errors go.
        start_new_session: whether a Ctrl-C at the terminal leaves it running.
        close_fds: False lets it inherit the locks that this process holds.
        pass_fds: the locks that it inherits.
    """

    cwd: Path | None
    stdin: int
    stdout: int | IO[Any]
    stderr: int | IO[Any]
    start_new_session: bool
    close_fds: bool
    pass_fds: Sequence[int]


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float | None = None,
    input_text: str = "",
    **options: Unpack[Options],
) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end; the exit code is the caller's to check.

    Args:
        command: the program and its arguments.
        env: its environment; `environment()` by default.
        timeout_seconds: after which it is ended.
        input_text: what it reads from standard input.
        options: except stdin.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it took longer than it may.
    """
    defaults: Options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(
        command, timeout=timeout_seconds, input=input_text, check=False, **_text(env), **(defaults | options)
    )


def start(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Unpack[Options]
) -> "subprocess.Popen[str]":
    """Starts a command; the caller waits for its end. By default it reads nothing, and errors go with its output.

    Raises:
        OSError: it cannot be started.
    """
    defaults: Options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, bufsize=1, **_text(env), **(defaults | options))


def _text(env: Mapping[str, str] | None) -> dict[str, Any]:
    """An environment, and text in and out."""
    return {"env": environment() if env is None else env, "text": True, "errors": "replace"}


def converse(command: Sequence[str], env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Starts a command in a session of its own that exchanges bytes with this process; the caller waits for its end.

    Raises:
        OSError: it cannot be started.
    """
    return subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
    )


def become(command: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Replaces this process by a command, so that whatever ends one ends the other."""
    os.execve(command[0], list(command), dict(env))  # noqa: S606 - a shell would stay between the two


def git(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float = GIT_SECONDS,
    close_fds: bool = True,
) -> "subprocess.CompletedProcess[str]":
    """Runs git in a folder of the user's own; a foreign repository is read by foreign/repository.py.

    Raises:
        MissingProgramError: there is no git.
        OSError: there is no such folder.
    """
    command = program("git", "--no-pager", *(word for setting in GIT_SETTINGS for word in ("-c", setting)), *arguments)
    try:
        return run(command, cwd=cwd, env=env, timeout_seconds=timeout_seconds, close_fds=close_fds)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"it took longer than {timeout_seconds:g} s")
