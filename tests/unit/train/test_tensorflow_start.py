"""What TensorFlow is given before it starts."""

import resource
import sys

import pytest

PAGE_BYTES = 4096


def bytes_of(num_bytes: int) -> None:
    """Gets memory, writes to all of it and frees it; unlike NumPy without asking for huge pages."""
    len(bytes([1]) * num_bytes)


@pytest.mark.skipif(sys.platform != "linux", reason="the allocator of Linux is meant")
def test_the_memory_of_one_step_is_kept_for_the_next() -> None:
    num_bytes = 48 * 2**20  # more than the largest array that the allocator keeps by itself
    bytes_of(num_bytes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytes_of(num_bytes)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < num_bytes // PAGE_BYTES // 10
