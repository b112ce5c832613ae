"""Runs a real PostgreSQL server on this machine, with its data in a temporary folder."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PASSWORD = "for-this-test-alone"
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


@contextlib.contextmanager
def running_postgres(database: str) -> Iterator[str]:
    """Yields the address of an empty database; skips the test if PostgreSQL is not installed."""
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bin_dir, folder = PROGRAMS[-1].parent, Path("/tmp") / f"darkroom-postgres-{os.getpid()}-{port}"
    folder.mkdir()
    # PostgreSQL refuses to run as root.
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    data = str(folder / "data")
    try:
        subprocess.run(
            [
                *as_user,
                bin_dir / "initdb",
                "-D",
                data,
                "-U",
                "darkroom",
                "--auth=scram-sha-256",
                f"--pwfile={folder / 'password'}",
            ],
            check=True,
            capture_output=True,
            cwd="/",
        )
        server = subprocess.Popen(
            [*as_user, bin_dir / "postgres", "-D", data, "-p", str(port), "-k", str(folder)],
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        try:
            environment = os.environ | {"PGPASSWORD": PASSWORD}
            create = [bin_dir / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "darkroom", database]
            for _ in range(100):
                if subprocess.run(create, env=environment, capture_output=True, check=False).returncode == 0:
                    break
                time.sleep(0.1)
            yield f"postgresql://darkroom:{PASSWORD}@127.0.0.1:{port}/{database}"
        finally:
            server.terminate()
            server.wait(30)
    finally:
        shutil.rmtree(folder)
