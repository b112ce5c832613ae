"""The pipeline with the CUDA image for the train step, on a machine without a GPU: training uses the CPU.

Building the image takes half an hour and 20 GB of disk, so the test is skipped if the image is missing.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.images.build import STEPS, image_name
from tests.support.artifacts import make_photos
from tests.support.container_engine import docker

pytestmark = [pytest.mark.docker, pytest.mark.proof]

MAX_BYTES = 8e9
PROGRAM = """
import json, os, sys
from pathlib import Path

from kfp import local

from components.contract.params.pipeline import load_params
from components.contract.params.resolve import resolve
from components.contract.system.program import EVENTS_VARIABLE
from pipelines.runners import docker
from pipelines.runners.run_params import pipeline_arguments
from pipelines.training import training

overrides = ("data.uri=photos", "train.epochs=2")
params = resolve(load_params(Path(sys.argv[1]), overrides), native_size=(8, 8), data_name="photos").params
environment = os.environ | {EVENTS_VARIABLE: str(Path("run/events").resolve())}
containers = docker.plan_containers(Path("run"), params, environment, docker.Limits())
pipeline = training(0)
docker.use_gpu_image(pipeline)
local.init(runner=containers.runner(), pipeline_root="run/kfp")
pipeline(**json.loads(json.dumps(pipeline_arguments(params))))
"""


def test_the_pipeline_runs_on_the_cpu_in_the_cuda_image(engine: None, tmp_path: Path) -> None:
    name = image_name("train", gpu=True)
    for image in (name, *(image_name(step) for step in STEPS)):
        if not docker("images", "--quiet", image):
            pytest.skip(
                f"the image {image} is missing; to build it: make images && darkroom images build --image train --gpu"
            )
    assert int(docker("image", "inspect", "--format", "{{.Size}}", name)) < MAX_BYTES
    make_photos(tmp_path / "photos", per_class=20)
    params = Path(__file__).parents[3] / "params.yaml"
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/store/mlflow.db"}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(params)],
        cwd=tmp_path,
        env=os.environ | store,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    (deployment,) = (tmp_path / "run").rglob("deployment.json")
    assert json.loads(deployment.read_text())["check"]["num_photos"] > 0
    (bundle,) = (tmp_path / "run").rglob("bundle.json")
    assert json.loads(bundle.read_text())["epochs_run"] == 2
