"""Lock files contain versions and hashes, but no download addresses."""

from pathlib import Path

import pytest

from tests.support.source_tree import ROOT, relative

LOCKS = [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "package-lock.json"]


@pytest.mark.parametrize("path", LOCKS, ids=relative)
def test_a_lock_file_contains_hashes_and_no_address(path: Path) -> None:
    text = path.read_text()
    assert "sha256:" in text or "sha512-" in text
    for address in ("://", "--index-url", "--extra-index-url", "--find-links", '"resolved"'):
        assert address not in text
