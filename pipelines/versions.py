"""Versions of data sets: DVC keeps the photos, git the list of versions, both in the repository of this folder.

`data/<name>.dvc` names a version by its hash; a commit of that file is a version. What DVC keeps only ever
grows: an earlier version comes back with `git checkout <commit> data/<name>.dvc && dvc checkout`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from components.contract import archive
from components.contract.errors import DataError

DATA_DIR: Final = Path("data")


@dataclass(frozen=True)
class Version:
    """One version of one data set."""

    name: str
    path: str
    commit: str
    date: str
    subject: str
    hash: str
    num_files: int | None
    num_bytes: int | None


@dataclass(frozen=True)
class Placed:
    """Where a photo stands in a version."""

    path: str
    class_name: str


@dataclass
class Difference:
    """What one version has and the other has not.

    Attributes:
        added, removed: paths.
        relabelled: (path, class before, class now).
        moved: (path before, path now), under the same class.
        counts: class to photos before and now.
    """

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    relabelled: list[tuple[str, str, str]] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)


def add(path: Path, name: str | None) -> Version:
    """Puts a folder or an archive under DVC, as a new data set or as the next version of one, and commits that.

    What lies in this repository is taken in place; all else is copied to `data/<name>`, and stays as it is.

    Raises:
        DataError: there is no such path, no repository, or the name is taken.
    """
    root = repository()
    source = path.expanduser().resolve()
    if not (source.is_dir() or (source.is_file() and archive.is_archive(source))):
        raise DataError(f"Data must be a folder of photos or an archive of one; there is none at {path}.")
    if source == root or root.is_relative_to(source):
        raise DataError(f"Data must be a folder within the repository, or outside it; {path} holds the repository.")
    target = source if source.is_relative_to(root) else _copied(source, root / DATA_DIR, name)
    if target == source and name is not None and name != archive.stem(source.name):
        raise DataError(f"Data within the repository keep their name; {path} cannot become {name}. Rename it first, or "
                        "leave out --name.")  # fmt: skip
    _dvc(root, "add", str(target.relative_to(root)))
    pointer = target.with_name(f"{target.name}.dvc")
    existed = bool(_git(root, "log", "--format=%H", "-1", "--", str(pointer.relative_to(root))))
    return _commit(root, target, f"{'Update' if existed else 'Add'} the data {target.name}")


def _copied(source: Path, folder: Path, name: str | None) -> Path:
    suffix = source.name[len(archive.stem(source.name)) :] if source.is_file() else ""
    target = folder / f"{name or archive.stem(source.name)}{suffix}"
    if target.parent != folder or target.name.startswith(".") or not target.name:
        raise DataError(f"A name must be that of a file, without slashes; found {name!r}.")
    if target.exists() or target.with_name(f"{target.name}.dvc").exists():
        raise DataError(f"{target} must be free; it is not. Give another --name. For a new version of it change the "
                        f"photos in it, then: darkroom data add {os.path.relpath(target)}")  # fmt: skip
    folder.mkdir(exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=folder)) / target.name
    try:
        shutil.copytree(source, partial) if source.is_dir() else shutil.copy2(source, partial)
        partial.rename(target)
    finally:
        shutil.rmtree(partial.parent)
    return target


def versions(root: Path | None = None) -> list[Version]:
    """All versions of all data sets, by name, the newest first.

    Raises:
        DataError: this folder is in no repository.
    """
    root = root or repository()
    found = []
    for pointer in sorted(_git(root, "ls-files", "*.dvc").splitlines()):
        log = _git(root, "log", "--format=%H%x09%cs%x09%s", "--", pointer)
        for line in log.splitlines():
            commit, date, subject = line.split("\t", 2)
            version = _version(root, pointer, commit, date, subject)
            if version is not None:
                found.append(version)
    return found


def difference(root: Path, path: str, before: str, now: str) -> Difference:
    """What changed in a data set from one revision to another.

    Args:
        root: of the repository.
        path: of the data, relative to it.
        before: a git revision.
        now: a git revision, or `workspace` for what stands in the folder.

    Raises:
        DataError: a revision has no such data, or they cannot be read.
    """
    old, new = (photos_at(root, path, revision) for revision in (before, now))
    result = Difference()
    for content, places in new.items():
        if content not in old:
            result.added += [place.path for place in places]
            continue
        was = old[content]
        labels = sorted({place.class_name for place in was}), sorted({place.class_name for place in places})
        if labels[0] != labels[1]:
            result.relabelled.append((places[0].path, ", ".join(labels[0]), ", ".join(labels[1])))
        elif {place.path for place in was} != {place.path for place in places}:
            result.moved.append((was[0].path, places[0].path))
    result.removed = [place.path for content, places in old.items() if content not in new for place in places]
    counts = [Counter(place.class_name for places in version.values() for place in places) for version in (old, new)]
    result.counts = {name: (counts[0][name], counts[1][name]) for name in sorted(counts[0].keys() | counts[1].keys())}
    for changed in (result.added, result.removed, result.relabelled, result.moved):
        changed.sort()
    return result


def photos_at(root: Path, path: str, revision: str) -> dict[str, list[Placed]]:
    """MD5 of each photo of a version, and where it stands.

    Raises:
        DataError: the revision has no such data, or they are no class folders.
    """
    from components.preprocess.layout import find_layout
    from components.preprocess.listing import is_hidden

    names = dict(_contents(root, path, revision))
    parts = {name: tuple(name.split("/")) for name in names if not any(map(is_hidden, name.split("/")))}
    folders = {one[:depth] for one in parts.values() for depth in range(1, len(one))}
    layout = find_layout(folders, unwrap=True)
    found: dict[str, list[Placed]] = {}
    for name, one in sorted(parts.items()):
        place = layout.place(one)
        if place is not None:
            found.setdefault(names[name], []).append(Placed(name, place[0]))
    if not found:
        raise DataError(f"{path} must hold class folders; at {revision} it holds none.")
    return found


def _contents(root: Path, path: str, revision: str) -> Iterator[tuple[str, str]]:
    """(name, MD5) of each file of a version; of an archive, of its members."""
    if revision == "workspace":
        yield from _contents_here(root / path)
        return
    try:
        from dvc.api import DVCFileSystem

        system = DVCFileSystem(str(root), rev=revision)
        if archive.is_archive(Path(path)):
            with tempfile.TemporaryDirectory(prefix="darkroom-") as scratch:
                local = Path(scratch) / Path(path).name
                system.get_file(f"/{path}", str(local))
                yield from _contents_here(local)
            return
        for name, info in system.find(f"/{path}", detail=True).items():
            yield name.removeprefix(f"/{path}/"), str(info["md5"] if "md5" in info else system.checksum(name))
    except DataError:
        raise
    except Exception as error:  # DVC raises its own, dulwich's and fsspec's errors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DataError(f"{path} must be under DVC at {revision}, and its photos at hand (dvc fetch); they are not: "
                        f"{reason}.") from None  # fmt: skip


def _contents_here(path: Path) -> Iterator[tuple[str, str]]:
    from components.preprocess.listing import list_folder

    if path.is_dir():
        for file in list_folder(path).files:
            with file.path.open("rb") as stream:
                yield "/".join(file.parts), hashlib.file_digest(stream, "md5").hexdigest()
        return
    for member in archive.members(path):
        if member.chunks is not None:
            digest = hashlib.md5(usedforsecurity=False)
            for chunk in member.chunks():
                digest.update(chunk)
            yield member.name, digest.hexdigest()


def relabel(root: Path, path: str, decisions: Mapping[str, str | None]) -> Version:
    """Moves photos into the folders of other classes, or out of the data set, and commits that as a new version.

    The version before must be whole in DVC, so that nothing can be lost; all decisions are checked before any is
    carried out, and none is if one cannot be.

    Args:
        root: of the repository.
        path: of the data, relative to it.
        decisions: photo, relative to the data, to its class; None takes it out.

    Raises:
        DataError: the data are not as DVC knows them, or a decision cannot be carried out.
    """
    folder = root / path
    if not folder.is_dir():
        raise DataError(f"Photos can be relabelled in class folders; {path} is none. Unpack it and add the folder.")
    if _dvc(root, "status", "--quiet", f"{path}.dvc", check=False).returncode != 0:
        raise DataError(f"{path} must be as its version says, so that the way back stays open; it differs. Keep what "
                        f"it is first: darkroom data add {path}")  # fmt: skip
    moves = _plan(folder, decisions)
    done: list[tuple[Path, Path]] = []
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.removed-", dir=folder.parent) as removed:
        try:
            for number, (source, target) in enumerate(moves):
                place = target or Path(removed) / str(number)
                place.parent.mkdir(parents=True, exist_ok=True)
                source.rename(place)
                done.append((source, place))
            _dvc(root, "add", path)
        except BaseException:
            for source, place in reversed(done):
                place.rename(source)
            raise
    return _commit(root, folder, f"Relabel {len(moves)} photos of {folder.name}")


def _plan(folder: Path, decisions: Mapping[str, str | None]) -> list[tuple[Path, Path | None]]:
    """(photo, where it goes) for each decision that changes something."""
    from components.preprocess.layout import find_layout
    from components.preprocess.listing import list_folder

    listing = list_folder(folder)
    layout = find_layout(listing.folders)
    known = {"/".join(file.parts): file for file in listing.files}
    moves: list[tuple[Path, Path | None]] = []
    taken: set[Path] = set()
    for name, label in decisions.items():
        file = known.get(name.removeprefix("./"))
        place = layout.place(file.parts) if file is not None else None
        if file is None or place is None:
            raise DataError(f"A decision must name a photo of {folder.name} by its path in it; {name!r} is none.")
        if label == place[0]:
            continue
        if label is None:
            moves.append((file.path, None))
            continue
        if label not in layout.class_names:
            raise DataError(f"A label must be one of the classes {', '.join(layout.class_names)}; for {name!r} it is "
                            f"{label!r}. For a new class make its folder first.")  # fmt: skip
        depth = len(layout.prefix) + (1 if layout.splits else 0)
        target = folder.joinpath(*file.parts[:depth], label, file.path.name)
        if target.exists() or target in taken:
            raise DataError(f"{name!r} cannot go to {label!r}: there is a file of its name. Rename it first.")
        taken.add(target)
        moves.append((file.path, target))
    if not moves:
        raise DataError("Decisions must change something; every photo stands under the label that is given.")
    return moves


def read_decisions(path: Path) -> dict[str, str | None]:
    """Photo to class from a CSV with the columns path and label; an empty label takes the photo out.

    Raises:
        DataError: it is no such table, or decides twice about one photo.
    """
    from components.preprocess.table import find_columns, read_frame

    frame = read_frame(path)
    found = find_columns([str(name) for name in frame.columns])
    if "path" not in found or "label" not in found:
        raise DataError(f"{path} must have the columns path and label; it has {', '.join(map(str, frame.columns))}.")
    decisions: dict[str, str | None] = {}
    for name, label in zip(frame[found["path"]], frame[found["label"]], strict=True):
        if decisions.setdefault(str(name), str(label).strip() or None) != (str(label).strip() or None):
            raise DataError(f"Each photo must be decided once; {path} says two things of {name}.")
    return decisions


def find_data(root: Path, name: str | None) -> str:
    """The path of a data set by its name or path; the only one where none is named.

    Raises:
        DataError: there is none such, or several.
    """
    paths = [pointer.removesuffix(".dvc") for pointer in _git(root, "ls-files", "*.dvc").splitlines()]
    if not paths:
        raise DataError("No data are under DVC here: darkroom data add PATH --name NAME")
    chosen = paths if name is None else [
        path for path in paths if name.rstrip("/") in (path, Path(path).name, archive.stem(Path(path).name))
    ]  # fmt: skip
    if len(chosen) != 1:
        raise DataError(f"One data set must be named with --name; there are {', '.join(paths)}.")
    return chosen[0]


def repository() -> Path:
    """The root of the git and DVC repository around this folder.

    Raises:
        DataError: there is none.
    """
    root = _git(Path.cwd(), "rev-parse", "--show-toplevel", check=False)
    if not root or not (Path(root) / ".dvc").is_dir():
        missing = "dvc init" if root else "git init && dvc init"
        raise DataError(f"Versions of data are kept in a repository of git and DVC; {Path.cwd()} is in none. Make one: "
                        f"{missing}")  # fmt: skip
    return Path(root)


def _version(root: Path, pointer: str, commit: str, date: str, subject: str) -> Version | None:
    """None where the commit removed the data."""
    from ruamel.yaml import YAML

    text = _git(root, "show", f"{commit}:{pointer}", check=False)
    outs: Sequence[Mapping[str, Any]] = (YAML(typ="safe", pure=True).load(text) or {}).get("outs", []) if text else []
    if not outs:
        return None
    path = pointer.removesuffix(".dvc")
    return Version(Path(path).name, path, commit, date, subject, str(outs[0].get("md5", "")), outs[0].get("nfiles", 1),
                   outs[0].get("size"))  # fmt: skip


def _commit(root: Path, data: Path, subject: str) -> Version:
    """Commits the version file and the ignore file that DVC wrote, and nothing else."""
    pointer = f"{data.relative_to(root)}.dvc"
    files = [pointer, *([str(ignored.relative_to(root))] if (ignored := data.parent / ".gitignore").exists() else [])]
    _git(root, "add", "--", *files)
    if _git(root, "status", "--porcelain", "--", *files):
        _git(root, "commit", "--quiet", "-m", subject, "--", *files)
    commit, date, text = _git(root, "log", "-1", "--format=%H%x09%cs%x09%s", "--", pointer).split("\t", 2)
    version = _version(root, pointer, commit, date, text)
    assert version is not None, "it was committed just now"
    return version


def _git(root: Path, *arguments: str, check: bool = True) -> str:
    result = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    if check and result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise DataError(f"git {arguments[0]} must succeed in {root}; it does not: {reason}.")
    return result.stdout.strip() if result.returncode == 0 else ""


def _dvc(root: Path, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    result = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, capture_output=True, text=True, check=False,
        env=os.environ | {"DVC_NO_ANALYTICS": "1"},
    )  # fmt: skip
    if check and result.returncode != 0:
        reason = " ".join(line.removeprefix("ERROR: ") for line in result.stderr.strip().splitlines()[-2:])
        raise DataError(f"dvc {arguments[0]} must succeed in {root}; it does not: {reason}")
    return result
