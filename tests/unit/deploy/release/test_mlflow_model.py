"""The model as MLflow loads it: from a real registry, in a process without Darkroom, and behind MLflow's own server."""

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from components.contract.artifacts.bento import ServiceFacts
from components.contract.artifacts.bundle import read_bundle
from components.contract.artifacts.evaluation import read_evaluation
from components.contract.image.decode import decode
from components.contract.system.waiting import wait_for
from components.contract.tracking.run import create_run
from components.deploy.bento.build import Extras, lay_out
from components.deploy.bento.server import free_address
from components.deploy.parity import golden_photos, read_expected
from components.deploy.release.mlflow_model import write_mlflow_model
from components.deploy.release.registry import register
from tests.support.artifacts import make_evaluation
from tests.unit.deploy.conftest import Artifacts

PREDICT = """
import json, sys
import mlflow.pyfunc, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
table = pd.DataFrame({"image": [open(path, "rb").read() for path in sys.argv[2:]]})
answer = model.predict(table)
print(json.dumps({"rows": answer.to_dict("records"), "modules": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def evaluation_dir(artifacts: Artifacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibrated") / "evaluation"
    make_evaluation(folder, artifacts.dataset_dir, artifacts.bundle_dir, calibrated=True)
    return folder


@pytest.fixture(scope="module")
def bento_dir(artifacts: Artifacts, evaluation_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bento folder whose `src` is laid out; the bento is not built."""
    folder = tmp_path_factory.mktemp("bento")
    bundle = read_bundle(artifacts.bundle_dir)
    extras = Extras(read_evaluation(evaluation_dir), evaluation_dir)
    lay_out(folder / "src", artifacts.bundle_dir, bundle, "colors", extras)
    return folder


@pytest.fixture(scope="module")
def facts(bento_dir: Path) -> ServiceFacts:
    return ServiceFacts.model_validate_json((bento_dir / "src" / "service.json").read_bytes())


@pytest.fixture(scope="module")
def model_dir(bento_dir: Path, facts: ServiceFacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("mlflow") / "model"
    write_mlflow_model(bento_dir / "src", facts, target)
    return target


def test_the_champion_loads_without_darkroom_and_predicts_the_same_as_evaluation(
    mlflow_store: str,
    artifacts: Artifacts,
    evaluation_dir: Path,
    bento_dir: Path,
    facts: ServiceFacts,
    tmp_path: Path,
) -> None:
    run_id = create_run(experiment="colors", name="test").run_id
    lineage = facts.lineage.model_copy(update={"mlflow_run_id": run_id})
    verdict = read_evaluation(evaluation_dir).gate.model_copy(update={"verdict": "first"})
    register("colors", facts.model_copy(update={"lineage": lineage}), verdict, bento_dir=bento_dir)

    photos = golden_photos(artifacts.dataset_dir)
    command = [sys.executable, "-P", "-c", PREDICT, "models:/colors@champion", *map(str, photos)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    process = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment | {"MLFLOW_TRACKING_URI": mlflow_store}
    )
    assert process.returncode == 0, process.stderr
    answer = json.loads(process.stdout.splitlines()[-1])

    expected = read_expected(evaluation_dir)
    for photo, row in zip(photos, answer["rows"], strict=True):
        probabilities = [row["probabilities"][name] for name in facts.class_names]
        np.testing.assert_allclose(probabilities, expected[photo.stem].probabilities, atol=1e-4)
        assert row["label"] == facts.class_names[expected[photo.stem].label]
        assert row["confidence"] == max(probabilities)
        assert isinstance(row["abstained"], bool)
        assert row["unfamiliar"] is not None
        assert row["error"] is None
    assert not {"tensorflow", "keras", "bentoml", "kfp"} & set(answer["modules"])


def test_bytes_base64_and_pixels_of_a_photo_get_the_same_answer(
    model_dir: Path, artifacts: Artifacts, facts: ServiceFacts
) -> None:
    import mlflow.pyfunc
    import pandas as pd

    data = golden_photos(artifacts.dataset_dir)[0].read_bytes()
    text = base64.b64encode(data).decode()
    pixels = decode(data, facts.image_size, facts.resize, facts.pixel_range).pixels
    photos = [data, text, f"data:image/png;base64,{text}", pixels, pixels.tolist()]
    rows = mlflow.pyfunc.load_model(str(model_dir)).predict(pd.DataFrame({"image": photos})).to_dict("records")
    assert [row["error"] for row in rows] == [None] * len(photos)
    assert all(row == rows[0] for row in rows)


@pytest.mark.parametrize(
    ("photo", "code"),
    [
        (b"", "empty"),
        (b"not a photo", "not_an_image"),
        ("no base64!", "bad_base64"),
        (np.zeros((8, 8), np.uint8), "bad_pixels"),
        (np.zeros((8, 8, 3)), "bad_pixels"),
        (np.full((8, 8, 3), 256), "bad_pixels"),
        ([[[1, 2, 3]], [[1, 2, 3], [4, 5, 6]]], "bad_pixels"),
        (None, "bad_pixels"),
    ],
)
def test_a_bad_photo_gets_an_error_and_the_others_get_their_answers(
    model_dir: Path, artifacts: Artifacts, photo: object, code: str
) -> None:
    from components.deploy.release.pyfunc import PhotoModel

    good = golden_photos(artifacts.dataset_dir)[0].read_bytes()
    rows = PhotoModel(model_dir / "data" / "model").predict([good, photo, good]).to_dict("records")
    assert rows[1]["error"].partition(":")[0] == code
    assert rows[1]["label"] is None
    assert rows[0] == rows[2]
    assert rows[0]["error"] is None


def test_a_table_without_the_image_column_is_rejected(model_dir: Path) -> None:
    import pandas as pd

    from components.deploy.release.pyfunc import PhotoModel

    with pytest.raises(ValueError, match=r"must have the column 'image'; it has photo, name\."):
        PhotoModel(model_dir / "data" / "model").predict(pd.DataFrame({"photo": [], "name": []}))


def test_the_requirements_are_pinned_and_name_no_training_library(model_dir: Path) -> None:
    requirements = (model_dir / "requirements.txt").read_text().split()
    names = {requirement.partition("==")[0] for requirement in requirements}
    assert all("==" in requirement for requirement in requirements)
    assert {"mlflow", "openvino", "numpy"} <= names
    assert not {"tensorflow", "keras", "bentoml"} & names


@pytest.mark.proof
def test_mlflow_serves_the_model_over_http(
    model_dir: Path, artifacts: Artifacts, evaluation_dir: Path, facts: ServiceFacts, tmp_path: Path
) -> None:
    photos = golden_photos(artifacts.dataset_dir)
    port = str(free_address("127.0.0.1", None)[1])
    command = [sys.executable, "-P", "-m", "mlflow", "models", "serve", "-m", str(model_dir), "-p", port]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--env-manager", "local"],
            cwd=tmp_path,
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},  # so MLflow finds uvicorn
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(
            lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/ping").read(),
            "mlflow models serve",
            lambda _: server.poll() is None,
            120,
        )
        data = [[base64.b64encode(photo.read_bytes()).decode()] for photo in photos]
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps({"dataframe_split": {"columns": ["image"], "data": data}}).encode(),
            {"Content-Type": "application/json"},
        )
        rows = json.loads(urllib.request.urlopen(request).read())["predictions"]
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    expected = read_expected(evaluation_dir)
    for photo, row in zip(photos, rows, strict=True):
        probabilities = [row["probabilities"][name] for name in facts.class_names]
        np.testing.assert_allclose(probabilities, expected[photo.stem].probabilities, atol=1e-4)
