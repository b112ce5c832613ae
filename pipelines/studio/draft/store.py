"""The draft: what params.yaml is to hold, as it is edited on the page, by several tabs if need be.

It holds only what differs from the defaults. Each change names the revision that it was made on; a change on an older
one is refused, and the page shows what stands now.
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
"""A failure is trusted for so many times as long as it took to find out."""
REMEMBERED: Final = 32
"""Drafts of which it is known what they come to."""


class Draft(BaseRecord):
    """The content of draft.json."""

    revision: int = 0
    params: dict[str, Any] = Field(default_factory=dict)

    @property
    def data(self) -> str | None:
        """Where the photos are; None while none are chosen."""
        uri = self.params.get("data", {}).get("uri")
        return str(uri) if uri else None

    @property
    def columns(self) -> object:
        """Which columns of a label file the user named."""
        return self.params.get("data", {}).get("columns", {})


class Fault(BaseRecord):
    """What is wrong with a draft, and where."""

    where: str
    what: str


class DraftStore:
    """Keeps the draft on the disk."""

    def __init__(self, path: Path, workers: Workers):
        self._path = path
        self._workers = workers
        self._lock = threading.Lock()
        self._resolve_lock = threading.Lock()
        self._resolutions: dict[str, Resolution] = {}
        self._probes: dict[tuple[str, str], Probe] = {}
        self._failures: dict[tuple[str, str], tuple[float, str]] = {}

    def read(self) -> Draft:
        """The draft as it is; a damaged one counts as empty."""
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
            revision: of the draft that the change was made on.
            values: key to value.
            removed_keys: keys that become their default again.
            require: is called with the params as they would be; raises if they may not be.

        Raises:
            StudioError: the draft has changed since, or a key cannot be.
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
        """Takes other params in place of the draft.

        Args:
            revision: of the draft that was seen.
            tree: what differs from the defaults.

        Raises:
            StudioError: the draft has changed since.
        """
        with self._lock:
            draft = self._current(revision)
            return self._write(dict(tree), draft.revision + 1)

    def resolve(self, draft: Draft) -> Resolution | Fault | None:
        """The draft with every `auto` resolved by a look at the data, or why it cannot be; None without data."""
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
            # What took long is not tried again at each look of each tab, nor for each draft of the same data.
            end_time = time.monotonic()
            self._failures[key] = end_time + PATIENCE * (end_time - start_time), str(error)
            raise
        height, width = value["native_size"]
        self._probes[key] = Probe(value["name"], (height, width), tuple(value["description"]))
        return self._probes[key]

    def forget(self) -> None:
        """What was known of the data is looked up again."""
        self._resolutions = {}
        self._probes = {}
        self._failures = {}

    def switch(self, revision: int, uri: str, *, inherit: bool) -> Draft:
        """Makes other photos the data: the settings of the earlier ones are kept, and those of the new ones come back.

        Args:
            revision: of the draft that was seen.
            uri: of the new data.
            inherit: whether data that were never chosen take over the settings; else theirs are the defaults.

        Raises:
            StudioError: the draft has changed since.
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
        """Where the draft of data that are not chosen now is kept."""
        return self._path.parent / "drafts" / f"{hashlib.sha256(uri.encode()).hexdigest()[:16]}.json"

    def _current(self, revision: int) -> Draft:
        draft = self.read()
        if draft.revision != revision:
            raise StudioError(
                "This was changed in another tab in the meantime. You now see the current state; make "
                "your change again if you still want it.",
                409,
            )
        return draft

    def _write(self, tree: dict[str, Any], revision: int) -> Draft:
        try:
            check_tree(tree, finite=True)
        except DocumentError as error:
            raise StudioError(f"Params are too large: {error}.") from None
        if isinstance(uri := (tree.get("data") or {}).get("uri"), str):
            # The secret of an address is kept by this process alone, for its jobs: the draft's file does not hold it.
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
    """What is wrong with the values, as far as it can be told without the data."""
    try:
        _validate(tree)
    except ValidationError as error:
        return [Fault(where=where, what=what) for where, what in faults(error, Params)]
    return _find_missing_files(tree)


def _find_missing_files(tree: Mapping[str, Any]) -> list[Fault]:
    """Files of a model that are not there; a training would find that out after minutes."""
    model = tree.get("train", {}).get("model", {})
    return [
        Fault(where=f"train.model.{key}", what=f"must be a file of this computer; there is nothing at {value}")
        for key in ("path", "weights")
        if isinstance(value := model.get(key), str)
        and value not in ("imagenet", "none")
        and "://" not in value
        and not Path(value).expanduser().exists()
    ]


def params_of(draft: Draft) -> Params:
    """The typed params.

    Raises:
        ParamsError: a value cannot be.
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
