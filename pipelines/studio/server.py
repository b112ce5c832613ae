"""Starts the studio's server."""

import secrets
import sys
import webbrowser
from pathlib import Path
from typing import Final

from components.deploy.bento.server import free_address
from pipelines.studio.settings import MAX_UPLOAD_BYTES, Settings, StudioError, default_roots, is_loopback

MIN_TOKEN: Final = 16


def serve_studio(
    host: str,
    port: int,
    *,
    roots: tuple[Path, ...] = (),
    token: str | None = None,
    open_browser: bool = True,
    max_upload_bytes: int = MAX_UPLOAD_BYTES,
    public_url: str | None = None,
) -> int:
    """Serves the studio of the current folder until it is stopped; jobs continue.

    Args:
        host: the address to listen on; an address that other machines can reach requires a token.
        port: the port to listen on.
        roots: the folders that users can browse; empty for the defaults.
        token: the token that browsers must send; None to create one if it is needed.
        open_browser: whether to open a browser.
        max_upload_bytes: the maximum size of an uploaded archive.
        public_url: the studio's public address; None without a reverse proxy.

    Raises:
        StudioError: a root is not a folder, the token is too short, or another studio is using this folder.
        ServiceError: the port is taken.
    """
    settings, url = prepare(host, port, roots, token, max_upload_bytes, public_url)
    import uvicorn

    from pipelines.studio.app import create_app

    app = create_app(settings)
    address, port = free_address(host, port)
    print(f"Darkroom studio: {url} (stop it with Ctrl-C; jobs continue)", flush=True)  # noqa: T201 - the output of the command
    if open_browser and sys.stdout.isatty():
        webbrowser.open(url)
    uvicorn.run(
        app, host=address, port=port, log_level="warning", ws="wsproto", ws_max_size=2**16, timeout_graceful_shutdown=2
    )
    return 0


def prepare(
    host: str,
    port: int,
    roots: tuple[Path, ...],
    token: str | None,
    max_upload_bytes: int = MAX_UPLOAD_BYTES,
    public_url: str | None = None,
) -> tuple[Settings, str]:
    """Returns the settings, and the address to open.

    Raises:
        StudioError: a root is not a folder, or the token is too short.
    """
    for root in roots:
        if not root.is_dir():
            raise StudioError(f"--root must be an existing folder; {root} is not.")
    if token is not None and (len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable()):
        raise StudioError(
            f"A token must consist of at least {MIN_TOKEN} printable ASCII characters; this one has "
            f"{f'only {len(token)}' if len(token) < MIN_TOKEN else 'others'}. Create one: openssl rand -hex 24"
        )
    is_local = is_loopback(host) and public_url is None
    if token is None and not is_local:
        token = secrets.token_urlsafe(24)
    display_host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - only compared with `host`
    display_host = f"[{display_host}]" if ":" in display_host else display_host
    names = {"localhost", "127.0.0.1", "[::1]", display_host.lower()}
    hosts = frozenset(f"{name}:{port}" for name in names) if is_local else frozenset[str]()
    settings = Settings(
        roots=tuple(root.resolve() for root in roots) or default_roots(),
        token=token,
        hosts=hosts,
        max_upload_bytes=max_upload_bytes,
        public_url=public_url,
    )
    return settings, (public_url or f"http://{display_host}:{port}/") + (f"?token={token}" if token else "")
