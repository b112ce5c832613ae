"""One small data set with its model and evaluation, created once per test session."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.artifacts import make_bundle, make_dataset, make_evaluation


@dataclass(frozen=True)
class Artifacts:
    """The folders that deploy reads. Read-only: a test that changes a folder works on a copy."""

    dataset_dir: Path
    bundle_dir: Path
    evaluation_dir: Path


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    folder = tmp_path_factory.mktemp("made")
    folders = Artifacts(folder / "dataset", folder / "bundle", folder / "evaluation")
    info = make_dataset(folders.dataset_dir)
    make_bundle(folders.bundle_dir, info, scale=0.002)
    make_evaluation(folders.evaluation_dir, folders.dataset_dir, folders.bundle_dir)
    return folders
