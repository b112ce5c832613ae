"""Pins the revision of data under DVC to a commit before a run is submitted."""

import base64
import re
from pathlib import Path
from typing import Final

from components.contract.errors import DataError
from components.contract.system import launcher
from components.contract.system.address import Address, split_credentials
from components.preprocess.sources.remote.addresses import require_harmless

DVC_URI: Final = re.compile(r"dvc\+(?P<repository>.+)@(?P<revision>[^@:]+):(?P<path>.+)")
COMMIT: Final = re.compile(r"[0-9a-f]{40}")


def resolve_revision(uri: str) -> str:
    """Replaces the revision in `dvc+<repository>@<revision>:<path>` with a commit; keeps other addresses unchanged.

    With a branch as the revision, KFP would reuse the results for an earlier commit of the branch.

    Raises:
        DataError: the repository cannot be read, or has no such revision.
    """
    if not uri.startswith("dvc+"):
        return uri
    match = DVC_URI.fullmatch(Address(uri).full)
    if match is None:
        raise DataError(
            f"The address of data under DVC must look like dvc+<repository>@<revision>:<path>; found {uri}."
        )
    repository, revision = match["repository"], match["revision"]
    if COMMIT.fullmatch(revision):
        return uri
    require_harmless(Address(uri))
    if Path(repository).exists():  # a relative path must become absolute, because git runs in /
        repository = str(Path(repository).resolve())
    place, credentials = _git_credentials(repository)
    listing = launcher.git(
        "ls-remote",
        "--",
        place,
        revision,
        f"{revision}^{{}}",
        cwd=Path("/"),
        env=launcher.environment() | credentials,
    )
    if listing.returncode != 0:
        reason = Address(repository).hide((listing.stderr.strip().splitlines() or ["git reported no reason"])[-1])
        raise DataError(f"The repository {Address(repository)} must be readable with git; it is not: {reason}.")
    # An annotated tag is a separate object; the line of its commit ends in ^{} and sorts last.
    lines = sorted(listing.stdout.splitlines(), key=lambda line: line.partition("\t")[2])
    commit = lines[-1].partition("\t")[0] if lines else None
    if commit is None:
        raise DataError(
            f"The revision {revision} must be a branch, a tag or a full commit hash of {Address(repository)}; "
            "it is none of these."
        )
    return Address(f"dvc+{match['repository']}@{commit}:{match['path']}")


def _git_credentials(repository: str) -> tuple[str, dict[str, str]]:
    """Returns (the repository without user and password, the environment variables that pass user and password to git).

    The user and the password must not be arguments of git or of the programs that it starts, because every user of this
    machine can see the arguments of processes.
    """
    place, user, password = split_credentials(repository)
    if not place.startswith(("http://", "https://")) or not user:
        return repository, {}
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return place, {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{place}.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {token}",
        "GIT_TERMINAL_PROMPT": "0",
    }
