"""What fetching data from an address may cost: time, bytes, room on the disk."""

from typing import Any, Final

from components.contract.system.budget import Budget

ANSWER_SECONDS: Final = 40.0
"""How long a server may take for what it says of one file, and to begin with a file."""
LIST_SECONDS: Final = 300.0
"""How long the list of a folder may take, or a copy of a repository."""
BYTES_PER_SECOND: Final = 10_000
UNANNOUNCED_BYTES: Final = 2**31
"""Of a file whose size the server does not tell, such as GitHub's archive of a branch."""
SPARE_BYTES: Final = 2**30
"""Left free on the disk."""


def fetch_budget(uri: str) -> Budget:
    """What data at an address may cost while they are fetched."""
    advice = "Download the data yourself and pass the folder, or use another address."
    return Budget(
        f"The data at {uri}",
        advice,
        start_seconds=ANSWER_SECONDS / 2,
        bytes_per_second=BYTES_PER_SECOND,
        members_per_second=1,
    )


def http_options(uri: str) -> dict[str, Any]:
    """Of HTTP: a large file may take hours, as long as it comes; silence may not."""
    if not uri.startswith(("http://", "https://")):
        return {}
    import aiohttp

    silence = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_SECONDS / 2, sock_read=ANSWER_SECONDS / 2)
    return {"client_kwargs": {"timeout": silence}}
