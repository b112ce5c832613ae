"""The limits for downloads: time, bytes and disk space."""

from typing import Any, Final

from components.contract.system.budget import Budget

ANSWER_SECONDS: Final = 40.0
"""How long a server may take to answer a request about a file, or to send the next part of it."""
LIST_SECONDS: Final = 300.0
"""How long it may take to list a folder, or to copy a repository."""
BYTES_PER_SECOND: Final = 10_000
UNANNOUNCED_BYTES: Final = 2**31
"""The maximum size of a file whose size the server does not report, such as GitHub's archive of a branch."""
SPARE_BYTES: Final = 2**30
"""The number of bytes that must remain free on the disk."""


def fetch_budget(uri: str, *, is_listed: bool = False) -> Budget:
    """The budget for downloading the data at an address, or for listing a folder there.

    The time allowed for the first answer is added to the time that the minimum rates allow.
    """
    advice = "Download the data yourself and pass the folder, or use another address."
    return Budget(
        f"The data at {uri}",
        advice,
        start_seconds=LIST_SECONDS if is_listed else ANSWER_SECONDS,
        bytes_per_second=BYTES_PER_SECOND,
        members_per_second=1,
    )


def http_options(uri: str) -> dict[str, Any]:
    """Options for HTTP: a large file may take hours, but there is a timeout if no data arrives."""
    if not uri.startswith(("http://", "https://")):
        return {}
    import aiohttp

    silence = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_SECONDS / 2, sock_read=ANSWER_SECONDS / 2)
    return {"client_kwargs": {"timeout": silence}}
