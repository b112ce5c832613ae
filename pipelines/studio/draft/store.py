"""Stores the draft of params.yaml, which several tabs can edit at the same time.

A draft contains only values that differ from the defaults. Each change names the revision that it is based on; a change
that is based on an older revision is rejected, and the page shows the current state.
"""

import copy
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError

from components.contract.errors import DarkroomError, ParamsError
from components.contract.foreign.documents import MAX_DEPTH, DocumentError, check_tree
from components.contract.params.data import ColumnNames
from components.contract.params.pipeline import Params, dump_section
from components.contract.params.resolve import Resolution
from components.contract.record import BaseRecord
from components.contract.system.address import Address
from components.contract.system.atomic_files import read_json, write_json
from components.contract.validation_messages import faults
from components.preprocess.sources.probe import Probe
from components.preprocess.sources.remote.addresses import is_remote
from pipelines.run_options import resolve_params
from pipelines.studio.draft.params_text import UNNAMED
from pipelines.studio.settings import StudioError
from pipelines.studio.workers import LOOK_SECONDS, PROBE_SECONDS, Workers, hold_lock

PATIENCE: Final = 4
"""After an attempt to read the data fails, its error is reused for this multiple of the time that it took."""
REMEMBERED: Final = 32
"""The maximum number of drafts whose resolution is cached."""


class Draft(BaseRecord):
    """The content of draft.json."""

    revision: int = 0
    params: dict[str, Any] = Field(default_factory=dict)

    @property
    def data(self) -> str | None:
        """The address of the photos; None while no photos are chosen."""
        uri = self.params.get("data", {}).get("uri")
        return str(uri) if uri else None

    @property
    def columns(self) -> object:
        """The columns that the user assigned for the label file, by role."""
        return self.params.get("data", {}).get("columns", {})


class Fault(BaseRecord):
    """An error in a draft: the key of the invalid value, and what is wrong with it."""

    where: str
    what: str


class DraftStore:
    """Stores the draft on disk, and resolves its params."""

    def __init__(self, path: Path, workers: Workers):
        self._path = path
        self._workers = workers
        self._lock = threading.Lock()
        self._resolve_lock = threading.Lock()
        self._resolutions: dict[str, Resolution] = {}
        self._probes: dict[tuple[str, str], Probe] = {}
        self._failures: dict[tuple[str, str], tuple[float, str]] = {}

    def read(self) -> Draft:
        """Reads the current draft, which is empty if there is no file.

        Raises:
            ArtifactError: the file is damaged.
        """
        if not self._path.exists():
            return Draft()
        return read_json(self._path, Draft, "draft of the studio")

    def change(
        self,
        revision: int,
        values: Mapping[str, Any],
        removed_keys: Sequence[str] = (),
        require: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> Draft:
        """Sets and removes values by their dotted keys.

        Args:
            revision: the revision of the draft that the change is based on.
            values: the values to set, by dotted key.
            removed_keys: the keys to reset to their defaults.
            require: called with the resulting params; raises an error if they are not allowed.

        Raises:
            StudioError: the draft has changed in the meantime, or a key is invalid.
        """
        with self._lock:
            draft = self._current(revision)
            tree = copy.deepcopy(draft.params)
            for key in removed_keys:
                _remove(tree, key.split("."))
            for key, value in values.items():
                _set(tree, key.split("."), value)
            require(tree)
            return self._write(tree, draft.revision + 1)

    def replace(self, revision: int, tree: Mapping[str, Any]) -> Draft:
        """Replaces the params of the draft.

        Args:
            revision: the revision of the draft that the change is based on.
            tree: the values that differ from the defaults.

        Raises:
            StudioError: the draft has changed in the meantime.
        """
        with self._lock:
            draft = self._current(revision)
            return self._write(dict(tree), draft.revision + 1)

    def resolve(self, draft: Draft) -> Resolution | Fault | None:
        """Resolves every `auto` in the draft by inspecting the data.

        Returns a `Fault` with the reason if that fails, and None if no data is chosen or a value is invalid.
        """
        if draft.data is None or check(draft.params):
            return None
        key = json.dumps(draft.params, sort_keys=True)
        with hold_lock(self._resolve_lock, "The data"):
            if key in self._resolutions:
                return self._resolutions[key]
            try:
                resolution = resolve_params(params_of(draft), self._probe)
            except DarkroomError as error:
                return Fault(where="", what=str(error))
            if len(self._resolutions) > REMEMBERED:
                self._resolutions = {}
            self._resolutions[key] = resolution
            return resolution

    def _probe(self, uri: str, columns: ColumnNames) -> Probe:
        key = (uri, dump_section(columns))
        if key in self._probes:
            return self._probes[key]
        start_time = time.monotonic()
        trusted_until, reason = self._failures.get(key, (start_time, ""))
        if start_time < trusted_until:
            raise StudioError(reason)
        seconds = PROBE_SECONDS if is_remote(uri) else LOOK_SECONDS
        try:
            value = self._workers.ask(
                "probe_data", "The data", seconds=seconds, uri=uri, columns=dump_section(columns)
            ).value
        except DarkroomError as error:
            # Without this, every request from every tab would repeat a slow attempt that fails.
            end_time = time.monotonic()
            self._failures[key] = end_time + PATIENCE * (end_time - start_time), str(error)
            raise
        height, width = value["native_size"]
        self._probes[key] = Probe(value["name"], (height, width), tuple(value["description"]))
        return self._probes[key]

    def forget(self) -> None:
        """Discards everything that was resolved from the data, because the data has changed."""
        self._resolutions = {}
        self._probes = {}
        self._failures = {}

    def switch(self, revision: int, uri: str, *, inherit: bool) -> Draft:
        """Chooses other data: stores the settings of the current data, and restores those of the new data.

        Args:
            revision: the revision of the draft that the change is based on.
            uri: the address of the new data.
            inherit: whether data that was never chosen before gets the current settings; otherwise it gets the
                defaults.

        Raises:
            StudioError: the draft has changed in the meantime.
        """
        with self._lock:
            draft = self._current(revision)
            if draft.data is not None:
                self._write_to(self._path_of(draft.data), draft)
            kept_path = self._path_of(str(Address(uri)))
            if draft.data == str(Address(uri)):
                tree = copy.deepcopy(draft.params)
            elif kept_path.exists():
                tree = copy.deepcopy(read_json(kept_path, Draft, "draft of the studio").params)
            else:
                tree = copy.deepcopy(draft.params) if inherit or draft.data is None else {}
            tree.setdefault("data", {}).pop("columns", None)
            _set(tree, ["data", "uri"], uri)
            return self._write(tree, draft.revision + 1)

    def _path_of(self, uri: str) -> Path:
        """The path at which the draft for this data is stored while other data is chosen."""
        return self._path.parent / "drafts" / f"{hashlib.sha256(uri.encode()).hexdigest()[:16]}.json"

    def _current(self, revision: int) -> Draft:
        draft = self.read()
        if draft.revision != revision:
            raise StudioError(
                "The settings were changed in another tab in the meantime. You now see the current state; make "
                "your change again if you still want it.",
                409,
            )
        return draft

    def _write(self, tree: dict[str, Any], revision: int) -> Draft:
        try:
            check_tree(tree, finite=True)
        except DocumentError as error:
            raise StudioError(f"The params cannot be stored: {error}.") from None
        if isinstance(uri := (tree.get("data") or {}).get("uri"), str):
            # The secrets in an address stay in this process's memory, for its jobs; the draft's file omits them.
            tree["data"]["uri"] = str(Address(uri))
        draft = Draft(revision=revision, params=tree)
        self._write_to(self._path, draft)
        return draft

    def _write_to(self, path: Path, draft: Draft) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, draft)
        except OSError as error:
            raise StudioError(
                f"The draft could not be written to {path}: {error.strerror}. Free some disk space.", 507
            ) from None


def check(tree: Mapping[str, Any]) -> list[Fault]:
    """Returns the errors that can be found in the values without reading the data."""
    try:
        _validate(tree)
    except ValidationError as error:
        return [Fault(where=where, what=what) for where, what in faults(error, Params)]
    return _find_missing_files(tree)


def _find_missing_files(tree: Mapping[str, Any]) -> list[Fault]:
    """Returns an error for each missing model file; a run would report it only after several minutes."""
    model = tree.get("train", {}).get("model", {})
    return [
        Fault(where=f"train.model.{key}", what=f"must be a file on this computer; there is nothing at {value}")
        for key in ("path", "weights")
        if isinstance(value := model.get(key), str)
        and value not in ("imagenet", "none")
        and "://" not in value
        and not Path(value).expanduser().exists()
    ]


def params_of(draft: Draft) -> Params:
    """Returns the validated params of a draft.

    Raises:
        ParamsError: a value is invalid.
    """
    try:
        return _validate(draft.params)
    except ValidationError as error:
        raise ParamsError("; ".join(f"{where}: {what}" for where, what in faults(error, Params))) from None


def _validate(tree: Mapping[str, Any]) -> Params:
    return Params.model_validate_json(json.dumps({"data": {"uri": UNNAMED}} | dict(tree)))


def _set(tree: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    if not 2 <= len(keys) <= MAX_DEPTH or keys[0] not in Params.model_fields or not all(keys):
        raise StudioError(f"A key of params.yaml is expected, such as train.epochs; found {'.'.join(keys)[:80]!r}.")
    for name in keys[:-1]:
        child = tree.setdefault(name, {})
        if not isinstance(child, dict):
            child = tree[name] = {}
        tree = child
    tree[keys[-1]] = value


def _remove(tree: dict[str, Any], keys: Sequence[str]) -> None:
    trail = []
    for name in keys[:-1]:
        if not isinstance(tree.get(name), dict):
            return
        trail.append((tree, name))
        tree = tree[name]
    tree.pop(keys[-1], None)
    for parent, name in reversed(trail):
        if not parent[name]:
            del parent[name]
