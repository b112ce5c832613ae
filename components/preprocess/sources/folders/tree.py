"""The folders of the data as a tree, with how many photos lie in each: what layouts are read from."""

from collections import Counter
from collections.abc import Iterable

from components.preprocess.sources.folders.names import may_be_photo

Parts = tuple[str, ...]
"""A file or a folder below the data; () is the folder of the data itself."""


class FolderTree:
    """The folders of the data, and the names of the files in them.

    A file counts as a photo as long as its name does not say otherwise; files are not opened.
    """

    def __init__(self, files: Iterable[Parts], folders: Iterable[Parts] = ()):
        """Makes it.

        Args:
            files: all of them.
            folders: also those that hold nothing.
        """
        self._photo_names: dict[Parts, list[str]] = {}
        self._document_names: dict[Parts, list[str]] = {}
        for parts in files:
            names = self._photo_names if may_be_photo(parts[-1]) else self._document_names
            names.setdefault(parts[:-1], []).append(parts[-1])
        self._num_photos: Counter[Parts] = Counter()
        children: dict[Parts, set[str]] = {(): set()}
        for folder in {*folders, *self._photo_names, *self._document_names}:
            num_photos = len(self._photo_names.get(folder, ()))
            for depth in range(len(folder) + 1):
                self._num_photos[folder[:depth]] += num_photos
                children.setdefault(folder[:depth], set())
                if depth:
                    children[folder[: depth - 1]].add(folder[depth - 1])
        self._children = {parent: sorted(names) for parent, names in children.items()}

    def children(self, parent: Parts) -> list[str]:
        """The folders in a folder."""
        return self._children.get(parent, [])

    def photo_folders(self, parent: Parts) -> list[str]:
        """The folders in a folder with photos in them, at any depth."""
        return [name for name in self.children(parent) if self._num_photos[*parent, name]]

    def empty_folders(self, parent: Parts) -> list[str]:
        """The folders in a folder with nothing in them."""
        return [name for name in self.children(parent) if self._is_empty((*parent, name))]

    def innermost(self, folder: Parts) -> Parts:
        """The first folder that holds more than a single folder: the folder itself, or one in it."""
        names = self.photo_folders(folder)
        return folder if len(names) != 1 or self.photo_names(folder) else self.innermost((*folder, *names))

    def num_photos(self, folder: Parts) -> int:
        """How many photos a folder holds, at any depth."""
        return self._num_photos[folder]

    def photo_names(self, folder: Parts) -> list[str]:
        """The photos that lie in the folder itself."""
        return self._photo_names.get(folder, [])

    def document_names(self, folder: Parts) -> list[str]:
        """The other files that lie in the folder itself."""
        return self._document_names.get(folder, [])

    def _is_empty(self, folder: Parts) -> bool:
        return not (self.children(folder) or folder in self._photo_names or folder in self._document_names)
