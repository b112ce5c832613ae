"""In a pod with a volume, the folder from which work resumes must be writable."""

from pathlib import Path

import pytest

from components.contract.errors import ArtifactError
from components.contract.system.cache import CACHE_VARIABLE, CHECKPOINTS_VARIABLE, require_resumable
from components.contract.system.waiting import POD_VARIABLE

FOLDER = Path("/cache/checkpoints")
REFUSAL = PermissionError(13, "Permission denied")


@pytest.fixture(autouse=True)
def _no_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (POD_VARIABLE, CACHE_VARIABLE, CHECKPOINTS_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variable", [CACHE_VARIABLE, CHECKPOINTS_VARIABLE])
def test_a_pod_must_be_able_to_write_to_its_volume(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POD_VARIABLE, "10.96.0.1")
    monkeypatch.setenv(variable, "/cache")
    with pytest.raises(ArtifactError, match=r"must be writable .*; /cache/checkpoints is not: Permission denied\."):
        require_resumable(FOLDER, REFUSAL)


@pytest.mark.parametrize("variable", [POD_VARIABLE, CACHE_VARIABLE])
def test_outside_a_pod_or_without_a_volume_an_unwritable_folder_is_accepted(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "/cache")
    require_resumable(FOLDER, REFUSAL)
