"""The deploy step builds a bento whose answers match those of evaluation, or no bento at all."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from components.contract.artifacts.bento import read_deployment
from components.contract.artifacts.evaluation import CHAMPION
from components.contract.errors import ArtifactError, ServiceError
from components.contract.params.pipeline import PreprocessParams
from components.deploy.parity import TOLERANCE, golden_photos
from components.preprocess.step import preprocess
from tests.e2e.service.conftest import Deployed
from tests.support.artifacts import CLASS_NAMES, make_bundle, make_dataset, make_evaluation, photo


def test_deploy_writes_a_bento_that_reproduces_the_evaluation(deployed: Deployed) -> None:
    info = read_deployment(deployed.bento_dir)
    assert info == deployed.info
    assert info.tag.startswith("colors:")
    assert info.check.num_photos == len(golden_photos(deployed.dataset_dir)) == 36
    assert info.check.max_probability_difference <= TOLERANCE
    assert 0 < info.check.latency_p50_ms < 1000
    assert info.lineage.dataset_fingerprint == deployed.dataset.fingerprint


def test_deploy_registers_the_model_and_tags_its_run_with_the_bento(deployed: Deployed) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(deployed.mlflow_uri)
    champion = client.get_model_version_by_alias("colors", CHAMPION)
    assert (deployed.info.promoted, deployed.info.registered_version) == (True, str(champion.version))
    run = client.get_run(deployed.info.lineage.mlflow_run_id)
    assert run.data.tags["darkroom.bento"] == deployed.info.tag
    assert run.data.metrics["deploy/latency_p50_ms"] == deployed.info.check.latency_p50_ms


def test_a_service_that_differs_from_the_evaluation_is_not_deployed(deployed: Deployed, tmp_path: Path) -> None:
    shutil.copytree(deployed.evaluation_dir, tmp_path / "evaluation")
    path = tmp_path / "evaluation" / "predictions.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    changed_row = next(row for row in rows if row["split"] == "test")
    changed_row["probabilities"] = [
        share + shift for share, shift in zip(changed_row["probabilities"], (3e-4, 0, 0), strict=True)
    ]
    pq.write_table(table.from_pylist(rows, schema=table.schema), path)
    with pytest.raises(ServiceError, match=changed_row["image_id"]):
        deployed.redeploy(tmp_path, evaluation_dir=tmp_path / "evaluation")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["evaluation"], "not even a partial bento may be left"


def test_answers_to_12_bit_photos_equal_those_of_evaluation(deployed: Deployed, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for class_name in CLASS_NAMES:
        (tmp_path / "photos" / class_name).mkdir(parents=True)
        for number in range(20):
            values = photo(class_name, rng) * (4095 / 255) + rng.integers(0, 9, (40, 32, 3))
            path = tmp_path / "photos" / class_name / f"{number}.png"
            cv2.imwrite(str(path), values[..., ::-1].clip(0, 4095).astype(np.uint16))
    params = PreprocessParams(image_size=16, golden_photos=12)
    dataset = preprocess(str(tmp_path / "photos"), params, tmp_path / "dataset")
    assert dataset.pixel_range == (0, 4095)
    make_bundle(tmp_path / "model", dataset, scale=0.002)
    make_evaluation(tmp_path / "evaluation", tmp_path / "dataset", tmp_path / "model")
    info = deployed.redeploy(
        tmp_path,
        dataset_dir=tmp_path / "dataset",
        bundle_dir=tmp_path / "model",
        evaluation_dir=tmp_path / "evaluation",
    )
    assert info.check.num_photos == len(golden_photos(tmp_path / "dataset")) > 0
    assert info.check.max_probability_difference <= TOLERANCE


@pytest.mark.parametrize(
    ("wrong", "message"),
    [("dataset_dir", "trained on"), ("evaluation_dir", "scored the graph"), ("bundle_dir", "must")],
)
def test_folders_of_different_runs_are_refused(deployed: Deployed, tmp_path: Path, wrong: str, message: str) -> None:
    other = make_dataset(tmp_path / "dataset_dir", seed=1 if wrong != "evaluation_dir" else 0)
    make_bundle(tmp_path / "bundle_dir", other, scale=0.003)
    make_evaluation(tmp_path / "evaluation_dir", tmp_path / "dataset_dir", tmp_path / "bundle_dir")
    with pytest.raises(ArtifactError, match=message):
        deployed.redeploy(tmp_path, **{wrong: tmp_path / wrong})
    assert not (tmp_path / "bento").exists()


def test_deploying_the_same_bundle_again_returns_the_same_bento_and_version(deployed: Deployed, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {uri: photos}\n")
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "components.deploy",
            "--params",
            "params.yaml",
            "--dataset",
            deployed.dataset_dir,
            "--model",
            deployed.bundle_dir,
            "--evaluation",
            deployed.evaluation_dir,
            "--output",
            "artifacts/bento",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"MLFLOW_TRACKING_URI": deployed.mlflow_uri},
    )
    assert result.returncode == 0, result.stderr
    info = read_deployment(tmp_path / "artifacts" / "bento")
    assert info.model_name == "colors", "auto must become the name of the data set"
    assert info.tag == deployed.info.tag
    assert info.registered_version == deployed.info.registered_version
    assert "All answers match evaluation" in result.stdout
