"""The bento that all service tests share: built by the real deploy step, and served once."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.contract.artifacts.bento import DeploymentInfo
from components.contract.artifacts.dataset import DatasetInfo
from components.contract.params.pipeline import DeployParams
from components.contract.tracking.run import create_run
from components.deploy.bento.server import serving
from components.deploy.step import deploy
from tests.support.artifacts import make_bundle, make_dataset, make_evaluation

PARAMS = DeployParams(model_name="colors")


@dataclass(frozen=True)
class Deployed:
    """The folders of one pipeline run, including its bento."""

    dataset_dir: Path
    bundle_dir: Path
    evaluation_dir: Path
    bento_dir: Path
    dataset: DatasetInfo
    info: DeploymentInfo
    mlflow_uri: str

    def redeploy(self, folder: Path, **replaced: Path) -> DeploymentInfo:
        folders = {
            "dataset_dir": self.dataset_dir,
            "bundle_dir": self.bundle_dir,
            "evaluation_dir": self.evaluation_dir,
        } | replaced
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", self.mlflow_uri)
            return deploy(**folders, params=PARAMS, bento_dir=folder / "bento")


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Deployed:
    folder = tmp_path_factory.mktemp("deployed")
    shutil.copy(empty_store, folder / "mlflow.db")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        run_id = create_run(experiment="colors", name="test").run_id
        dataset = make_dataset(folder / "dataset")
        make_bundle(folder / "model", dataset, scale=0.002, mlflow_run_id=run_id)
        make_evaluation(folder / "evaluation", folder / "dataset", folder / "model", calibrated=True)
        folders = folder / "dataset", folder / "model", folder / "evaluation"
        info = deploy(*folders, PARAMS, folder / "bento")
    return Deployed(*folders, folder / "bento", dataset, info, uri)


@pytest.fixture(scope="session")
def url(deployed: Deployed) -> Iterator[str]:
    with serving(deployed.bento_dir) as address:
        yield address
