"""A secret in an address is used only for the download, and never written, printed or shown.

A real HTTP server requires a user, a password and a token for its archive.
"""

import base64
import contextlib
import http.server
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import wsgiref.simple_server
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from components.contract.system.address import Address
from pipelines.runners.cluster.data_revision import resolve_revision
from tests.support.artifacts import make_photos

USER, PASSWORD, TOKEN, SIGNATURE = "annika", "hunter2/pass@word", "TOPSECRET-token", "SIGNED0123456789"
ENCODED = "hunter2%2Fpass%40word"
SECRETS = (PASSWORD, ENCODED, TOKEN, SIGNATURE, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
DARKROOM = str(Path(sys.executable).with_name("darkroom"))


class Server:
    """Serves one archive to clients that send the password and the token."""

    def __init__(self, archive: bytes):
        self.num_fetched = 0
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = parse_qs(parts.query)
                if self.headers["Authorization"] != expected or query.get("token") != [TOKEN]:
                    self.send_error(401)
                    return
                if parts.path != "/photos.zip":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(archive)))
                self.send_header("ETag", '"1"')
                self.end_headers()
                if self.command == "GET":
                    server.num_fetched += 1
                    self.wfile.write(archive)

            do_HEAD = do_GET  # noqa: N815 the base class sets the name

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def address(self, name: str = "photos.zip") -> str:
        port = self._server.server_port
        return f"http://{USER}:{ENCODED}@127.0.0.1:{port}/{name}?token={TOKEN}&X-Amz-Signature={SIGNATURE}#{TOKEN}"

    def shown(self, name: str = "photos.zip") -> str:
        return f"http://***@127.0.0.1:{self._server.server_port}/{name}?***"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    photos = make_photos(tmp_path / "made", per_class=20)
    archive = shutil.make_archive(str(tmp_path / "photos"), "zip", photos)
    web_server = Server(Path(archive).read_bytes())
    yield web_server
    web_server.close()


def files_with_secrets(folder: Path) -> list[str]:
    """Lists the files that contain a secret in their bytes or, if they are zip archives, in a member."""
    leaks = []
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content += b"".join(archive.read(name) for name in archive.namelist())
        leaks += [f"{path}: {secret}" for secret in SECRETS if secret.encode() in content]
    return leaks


class Watch(threading.Thread):
    """Records the arguments of all processes while a command runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[str] = set()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
                except OSError:
                    continue  # the process has ended


def run(folder: Path, *words: str, code: int = 0, **variables: str) -> str:
    """Runs a command that writes only to this folder, and returns its standard output and standard error."""
    environment = os.environ | {"DARKROOM_CACHE": str(folder / "cache"), "HOME": str(folder), "TMPDIR": str(folder)}
    result = subprocess.run(
        [DARKROOM, *words],
        cwd=folder,
        env=environment | variables,
        text=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


def leaks(texts: Sequence[str]) -> list[str]:
    return [text for text in texts for secret in SECRETS if secret in text]


def test_an_audit_downloads_with_the_secret_and_hides_it(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    printed = run(folder, "audit", server.address())
    printed += run(folder, "audit", server.shown(), DARKROOM_ADDRESSES=f"other\n{server.address()}\n")
    assert server.num_fetched == 1, "the cache key must not depend on the secret in the address"
    assert leaks([printed]) == []
    assert files_with_secrets(folder) == []


def test_error_messages_hide_the_secret(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    wrong = server.address().replace(f"token={TOKEN}", f"token={TOKEN}-old")
    for address in (
        server.address("none.zip"),
        wrong,
        server.address().replace("http://", "nosuch://"),
        server.address("photos.exe"),
        f"simplecache::{server.address('none.zip')}",
    ):
        printed = run(folder, "audit", address, code=2)
        assert leaks([printed]) == []
        assert "***@127.0.0.1" in printed
    printed = run(folder, "audit", server.shown(), code=2)
    assert "its secret is unknown here" in printed
    assert "DARKROOM_ADDRESSES" in printed
    assert files_with_secrets(folder) == []


@contextlib.contextmanager
def git_server(folder: Path) -> Iterator[str]:
    """Serves a git repository with photos over smart HTTP to clients that send the password; yields its address."""
    from dulwich.repo import Repo
    from dulwich.server import DictBackend
    from dulwich.web import WSGIRequestHandlerLogger, make_wsgi_chain

    make_photos(folder / "photos", per_class=6)
    commands: tuple[tuple[str, ...], ...] = (
        ("git", "init", "--quiet", "--initial-branch=main"),
        (sys.executable, "-m", "dvc", "init", "--quiet"),
        ("git", "add", "--all"),
        ("git", "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "x"),
    )
    for command in commands:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    chain = make_wsgi_chain(DictBackend({"/repo": Repo(str(folder))}))
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def guarded(environ: dict[str, object], start: Callable[..., object]) -> object:
        time.sleep(0.3)  # longer than a busy machine needs to list its processes, so that `Watch` sees the client
        if environ.get("HTTP_AUTHORIZATION") != expected:
            start("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="x"'), ("Content-Length", "0")])
            return [b""]
        return chain(environ, start)

    class Quiet(WSGIRequestHandlerLogger):
        def log_message(self, *arguments: object) -> None:
            pass

    with wsgiref.simple_server.make_server("127.0.0.1", 0, guarded, handler_class=Quiet) as http_server:
        threading.Thread(target=http_server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://{USER}:{ENCODED}@127.0.0.1:{http_server.server_port}/repo"
        http_server.shutdown()


def test_no_process_shows_the_password_of_a_repository(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (tmp_path / "repo").mkdir()
    watch = Watch()
    watch.start()
    with git_server(tmp_path / "repo") as address:
        printed = run(folder, "audit", f"dvc+{address}@main:photos")
        resolved = resolve_revision(f"dvc+{address}@main:photos")
    watch.over.set()
    watch.join()
    assert re.fullmatch(r"dvc\+http://\*\*\*@127.0.0.1:\d+/repo@[0-9a-f]{40}:photos", resolved)
    assert Address(resolved).full.startswith(f"dvc+{address}@")
    assert leaks([printed, *(arguments for arguments in watch.seen if DARKROOM not in arguments)]) == []
    assert any("ls-remote" in arguments for arguments in watch.seen)
    assert files_with_secrets(folder) == []


@pytest.mark.proof
def test_a_run_never_writes_or_prints_the_secret(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "params.yaml").write_text("train:\n  epochs: 1\nevaluate:\n  robustness_photos: 0\n")
    watch = Watch()
    watch.start()
    printed = run(folder, "run", "--data", server.address())
    watch.over.set()
    watch.join()
    assert server.num_fetched == 1
    assert leaks([printed]) == []
    exposed = [arguments for arguments in leaks(sorted(watch.seen)) if DARKROOM not in arguments]
    assert exposed == [], (
        "only the command that the user typed may contain the secret, until Darkroom restarts itself without it"
    )
    assert any("pipelines.runners.task_process" in arguments for arguments in watch.seen)
    assert files_with_secrets(folder) == []

    latest = folder / "runs" / "latest"
    dataset = json.loads((latest / "dataset" / "dataset.json").read_text())
    assert dataset["source"]["uri"] == server.shown()
    assert json.loads((latest / "summary.json").read_text())["dataset"]["uri"] == server.shown()
    with sqlite3.connect(folder / ".darkroom" / "mlflow" / "mlflow.db") as store:
        rows = "\n".join(store.iterdump())
    assert server.shown() in rows
    assert leaks([rows]) == []
    # With the secret, the params of the run can be used again.
    again = run(
        folder, "audit", server.shown(), "--params", str(latest / "params.yaml"), DARKROOM_ADDRESSES=server.address()
    )
    assert leaks([again]) == []


@pytest.mark.proof
def test_the_service_publishes_no_path_of_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "home of annika"
    folder.mkdir()
    make_photos(folder / "my-photos", per_class=20)
    run(folder, "run", "--data", "my-photos", "--set", "train.epochs=1", "--set", "evaluate.robustness_photos=0")
    bento = folder / "runs" / "latest" / "bento" / "bento"
    facts = json.loads((bento / "src" / "service.json").read_text())
    assert facts["lineage"]["source"]["uri"] == "my-photos"
    files_with_paths = [
        path for path in bento.rglob("*") if path.is_file() and str(folder).encode() in path.read_bytes()
    ]
    assert files_with_paths == []
    traced = run(folder, "trace", facts["tag"], "--json")
    assert str(folder / "my-photos") in traced, "the project itself must record the full path"
