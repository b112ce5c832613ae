"""One container engine for all tests that start containers."""

from collections.abc import Iterator

import pytest

from tests.support import container_engine


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """A running container engine; the tests that need it are skipped where none can be started."""
    with container_engine.running():
        yield
