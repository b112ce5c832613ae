"""Provides the fixture `repository` for the tests of data versions."""

from tests.unit.pipelines.data.repositories import _empty_repository, repository

__all__ = ["_empty_repository", "repository"]
