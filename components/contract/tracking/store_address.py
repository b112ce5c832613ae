"""Determines the address of the MLflow store, and updates the paths in a SQLite store whose folder was moved."""

import contextlib
import logging
import os
import re
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from components.contract.errors import TrackingError
from components.contract.system.address import driver_uri, redact
from components.contract.system.cache import HOME

log = logging.getLogger(__name__)


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store; None for other stores."""
    kind, _, path = uri.partition(":///")
    return Path(path.partition("?")[0]) if kind.startswith("sqlite") and path else None


def tracking_uri(home: Path = HOME) -> str:
    """`MLFLOW_TRACKING_URI` or, if it is not set, the address of a SQLite file under `home`, whose folder is created.

    Raises:
        TrackingError: the folder cannot be created, or the address is invalid.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri:
        folder = home / "mlflow"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrackingError(
                f"The folder {home.resolve()} cannot be written: {error.strerror}. Change to a folder that you can "
                "write to, and pass params and data by their full paths."
            ) from None
        path = (folder / "mlflow.db").resolve()
        if "%" in str(path) or "?" in str(path):
            # The path stays relative: SQLAlchemy would interpret % and ? in the full path as address syntax. If they
            # were escaped, MLflow would create folders with the escaped name.
            path = folder / "mlflow.db"
        uri = f"sqlite:///{path}"
    if not re.match(r"[a-z][a-z0-9+.-]*://|arn:", uri) or uri.startswith(("file:", "databricks")):
        raise TrackingError(
            "MLFLOW_TRACKING_URI must be the address of an MLflow server, such as http://localhost:5000, or of a "
            f"database, such as sqlite:///mlflow.db; found {redact(uri)!r}{_hint(uri)}. Unset it to keep the runs in "
            f"{home / 'mlflow'}."
        )
    store = sqlite_file(uri)
    if store is not None and store.is_file():
        follow_moved_store(store)
    return driver_uri(uri)


def _hint(uri: str) -> str:
    if re.fullmatch(r"[\w.-]+:\d+(/.*)?", uri):
        return f": write http://{uri}"
    if uri.startswith("databricks"):
        return ", and Databricks is not supported"
    return ", a folder of MLflow's old file store, which MLflow 3 no longer supports"


MOVED_COLUMNS: Final = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)


def follow_moved_store(path: Path) -> None:
    """Updates the artifact paths in a SQLite store if its folder was renamed, moved or copied.

    MLflow stores absolute paths. Paths of experiments whose artifacts are not next to the SQLite file, or were not
    moved with it, remain unchanged.
    """
    artifacts_dir = (path.parent / "artifacts").resolve()
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as store, store:
            tables = {name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not {"experiments", "runs"} <= tables:
                return
            for (root,) in store.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall():
                old_dir = Path(unquote(str(root).removeprefix("file://")))
                if old_dir == artifacts_dir or old_dir.name != "artifacts" or not old_dir.is_absolute():
                    continue
                uris = store.execute("SELECT artifact_uri FROM runs WHERE artifact_uri LIKE ? || '/%'", (root,))
                if not any((artifacts_dir / unquote(uri[len(root) + 1 :])).exists() for (uri,) in uris):
                    continue
                for table, column in MOVED_COLUMNS:
                    if table in tables:
                        store.execute(
                            f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - names of MOVED_COLUMNS
                            f"WHERE {column} = ? OR {column} LIKE ? || '/%'",
                            (artifacts_dir.as_uri(), len(root) + 1, root, root),
                        )
                log.info(
                    "The MLflow store now uses %s for its artifacts; it was moved from %s.", artifacts_dir, old_dir
                )
    except sqlite3.Error as error:
        log.warning("The MLflow store %s may still contain an old artifact path: %s.", path, error)
