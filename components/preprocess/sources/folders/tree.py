"""The folders of the data as a tree, with the number of photos in each."""

from collections import Counter
from collections.abc import Iterable

from components.preprocess.sources.folders.names import may_be_photo

Parts = tuple[str, ...]
"""The path of a file or a folder, relative to the data; () is the folder of the data itself."""


class FolderTree:
    """The folders of the data, and the names of the files in them.

    A file counts as a photo unless its suffix is that of another kind of file; files are not opened.
    """

    def __init__(self, files: Iterable[Parts], folders: Iterable[Parts] = ()):
        """Builds the tree.

        Args:
            files: all files.
            folders: all folders, including empty ones.
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
        """The names of the subfolders of a folder."""
        return self._children.get(parent, [])

    def photo_folders(self, parent: Parts) -> list[str]:
        """The names of those subfolders of a folder that contain photos, at any depth."""
        return [name for name in self.children(parent) if self._num_photos[*parent, name]]

    def empty_folders(self, parent: Parts) -> list[str]:
        """The names of the empty subfolders of a folder."""
        return [name for name in self.children(parent) if self._is_empty((*parent, name))]

    def innermost(self, folder: Parts) -> Parts:
        """The first folder, from this one downward, whose photos are not all in one subfolder."""
        names = self.photo_folders(folder)
        return folder if len(names) != 1 or self.photo_names(folder) else self.innermost((*folder, *names))

    def num_photos(self, folder: Parts) -> int:
        """The number of photos in a folder, at any depth."""
        return self._num_photos[folder]

    def photo_names(self, folder: Parts) -> list[str]:
        """The names of the photos directly in a folder."""
        return self._photo_names.get(folder, [])

    def document_names(self, folder: Parts) -> list[str]:
        """The names of the files other than photos directly in a folder."""
        return self._document_names.get(folder, [])

    def _is_empty(self, folder: Parts) -> bool:
        return not (self.children(folder) or folder in self._photo_names or folder in self._document_names)
