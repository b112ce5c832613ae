"""One small data set with its model and evaluation, made once."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.artifacts import make_bundle, make_dataset, make_evaluation


@dataclass(frozen=True)
class Made:
    """The folders that deploy reads. Read-only: tests that change one copy it."""

    dataset_dir: Path
    bundle_dir: Path
    evaluation_dir: Path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    found = Made(folder / "dataset", folder / "bundle", folder / "evaluation")
    info = make_dataset(found.dataset_dir)
    make_bundle(found.bundle_dir, info, scale=0.002)
    make_evaluation(found.evaluation_dir, found.dataset_dir, found.bundle_dir)
    return found
