"""The repository that the tests of data versions share."""

from tests.unit.pipelines.data.repositories import _empty_repository, repository

__all__ = ["_empty_repository", "repository"]
