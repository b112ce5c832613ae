"""The only module that starts other programs: git, DVC, uv, docker and Darkroom's own.

Neither the working folder nor the data can determine what runs. Programs are started by their absolute path from PATH.
Python runs with `-P`, so that it imports no module from the working folder. The environment is that of the user,
without variables that load code or make git use another repository. By default, standard input is empty.
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
"""The folder that contains the packages `components` and `pipelines`."""

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
"""Variables for authorship, configuration and connections. All other git variables, which can select a repository or a
program, are removed."""
SEARCH_PATHS: Final = ("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD")
"""Empty or relative entries of these variables depend on the working folder, so they are removed."""

GIT_SECONDS: Final = 60.0
GIT_PROTOCOLS: Final = "file:git:http:https:ssh"
"""The protocols that git may use; they exclude `ext::`, which can run any command."""
GIT_SETTINGS: Final = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "diff.ignoreSubmodules=all",
    "log.showSignature=false",
    "submodule.recurse=false",
    "protocol.ext.allow=never",
)
"""Overrides for settings with which a repository could start a program or lead to another repository."""


class MissingProgramError(DarkroomError, FileNotFoundError):
    """A required program is not installed, or not on PATH."""


def environment() -> dict[str, str]:
    """The environment for other programs: that of this process, without variables that could load untrusted code."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in CODE_LOADING_VARIABLES and not _selects_repository(name)
    }
    for name in SEARCH_PATHS:
        if name in variables:
            variables[name] = os.pathsep.join(_absolute(variables[name]))
    if any(Path(entry).resolve() == ROOT for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry):
        variables["PYTHONPATH"] = str(ROOT)  # as in the container images, where Darkroom is not installed
    # -P applies to one process only; this variable also applies to its child processes.
    return variables | {"PYTHONSAFEPATH": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": GIT_PROTOCOLS}


def _selects_repository(name: str) -> bool:
    return name.startswith("GIT_") and name not in KEPT_GIT_VARIABLES


def _absolute(search_path: str) -> list[str]:
    """The entries of a search path that do not depend on the working folder."""
    return [entry for entry in search_path.split(os.pathsep) if Path(entry).is_absolute()]


def program(name: str, *arguments: str) -> list[str]:
    """The command line for a program on PATH.

    Raises:
        MissingProgramError: the program is not on PATH.
    """
    folders = [entry for entry in _absolute(os.environ.get("PATH", os.defpath)) if Path(entry) != Path.cwd()]
    path = shutil.which(name, path=os.pathsep.join(folders)) if folders else None
    if path is None:
        raise MissingProgramError(f"The program {name} was not found on PATH. Install {name}.")
    return [path, *arguments]


def python(module: str, *arguments: str, user_site: bool = True) -> list[str]:
    """The command line for a Python module that is installed or belongs to Darkroom."""
    return [sys.executable, *(() if user_site else ("-s",)), "-P", "-m", module, *arguments]


def script(path: Path, *arguments: str) -> list[str]:
    """The command line for a Python file that imports nothing from Darkroom."""
    return [sys.executable, "-I", str(path), *arguments]


class Options(TypedDict, total=False):
    """How to run a program: arguments of `subprocess`.

    Attributes:
        cwd: the working folder.
        stdin: the standard input.
        stdout: the standard output; a pipe to the caller by default.
        stderr: the standard error.
        start_new_session: True if Ctrl-C in the terminal must not stop the program.
        close_fds: False if the program must inherit the locks that this process holds.
        pass_fds: the file descriptors of the locks that the program must inherit.
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
    """Runs a command and waits until it ends; the caller must check the exit code.

    Args:
        command: the program and its arguments.
        env: the environment; `environment()` by default.
        timeout_seconds: after this time, the program is killed.
        input_text: the standard input.
        options: any of `Options` except stdin.

    Raises:
        OSError: the command cannot be started.
        subprocess.TimeoutExpired: the command exceeded the timeout.
    """
    defaults: Options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(
        command, timeout=timeout_seconds, input=input_text, check=False, **_text(env), **(defaults | options)
    )


def start(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Unpack[Options]
) -> "subprocess.Popen[str]":
    """Starts a command without waiting. By default, it reads no input, and standard error goes to standard output.

    Raises:
        OSError: the command cannot be started.
    """
    defaults: Options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, bufsize=1, **_text(env), **(defaults | options))


def _text(env: Mapping[str, str] | None) -> dict[str, Any]:
    """Arguments of `subprocess` for the environment, and for input and output as text."""
    return {"env": environment() if env is None else env, "text": True, "errors": "replace"}


def converse(command: Sequence[str], env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Starts a command that exchanges bytes with this process through pipes, in a new session, without waiting.

    Raises:
        OSError: the command cannot be started.
    """
    return subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
    )


def become(command: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Replaces this process with a command, so that a signal to this process reaches the command."""
    os.execve(command[0], list(command), dict(env))  # noqa: S606 - a shell would remain as an extra process


def git(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float = GIT_SECONDS,
    close_fds: bool = True,
) -> "subprocess.CompletedProcess[str]":
    """Runs git in one of the user's folders; for untrusted repositories, use foreign/repository.py.

    Raises:
        MissingProgramError: git is not installed.
        OSError: the folder does not exist.
    """
    command = program("git", "--no-pager", *(word for setting in GIT_SETTINGS for word in ("-c", setting)), *arguments)
    try:
        return run(command, cwd=cwd, env=env, timeout_seconds=timeout_seconds, close_fds=close_fds)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"it took longer than {timeout_seconds:g} s")
