"""`dvc repro` runs the same steps as `darkroom run`, and reruns only those whose inputs changed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.contract.artifacts.bento import read_deployment
from tests.support.artifacts import make_photos
from tests.support.source_tree import ROOT

PARAMS = """\
data:
  uri: data/photos
preprocess:
  image_size: 16
tune:
  trials: 0
train:
  epochs: 2
  min_epoch_steps: 1
  model:
    layers: [{Conv2D: {filters: 4, kernel_size: 3}}, GlobalAveragePooling2D]
evaluate:
  bootstrap_resamples: 200
  robustness_photos: 0
deploy:
  model_name: auto
"""


def run(*command: str, cwd: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env=os.environ | {"PATH": path}
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


def steps_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with this project's code and DVC stages, and with photos that DVC tracks."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("components", "pipelines"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", folder)
    (folder / "params.yaml").write_text(PARAMS)
    make_photos(folder / "data" / "photos", per_class=20)
    run("git", "init", "--quiet", cwd=folder)
    run("dvc", "init", "--quiet", cwd=folder)
    run("dvc", "config", "core.analytics", "false", cwd=folder)
    run("dvc", "add", "--quiet", "data/photos", cwd=folder)
    run("git", "add", ".", cwd=folder)
    run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "photos", cwd=folder)
    return folder


def test_repro_runs_the_pipeline_and_then_only_changed_stages(repository: Path) -> None:
    steps = ["preprocess", "tune", "train", "evaluate", "deploy"]
    assert steps_run(run("dvc", "repro", "deploy", cwd=repository)) == steps
    deployment = read_deployment(repository / "artifacts" / "bento")
    assert deployment.lineage.source.dvc is not None, "DVC tracks the photos, so the lineage must have their version"
    assert deployment.lineage.source.git_revision is not None

    assert steps_run(run("dvc", "repro", "deploy", cwd=repository)) == []

    params = repository / "params.yaml"
    params.write_text(params.read_text().replace("bootstrap_resamples: 200", "bootstrap_resamples: 300"))
    assert steps_run(run("dvc", "repro", "--dry", "evaluate", cwd=repository)) == ["evaluate"]
