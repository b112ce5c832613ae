"""The service's endpoints other than /predict: explanations, page, metrics, model card and API document."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.deploy.client import Prediction, predict
from components.deploy.parity import golden_photos
from components.deploy.predict import predict_files
from tests.e2e.service.client import photos, post, request
from tests.e2e.service.conftest import PARAMS, Deployed
from tests.support.artifacts import CLASS_NAMES
from tests.support.source_tree import ROOT

TRAINING_CODE = ("tensorflow", "keras", "mlflow", "pandas", "sklearn", "kfp", "dvc")


def test_an_explanation_contains_a_picture_and_names_its_method(deployed: Deployed, url: str) -> None:
    (photo,) = photos(deployed, 1)
    status, explanation = post(url, [photo], "/explain?class_name=red")
    assert (status, explanation["label"], explanation["method"]) == (200, "red", "class activation map")
    assert explanation["overlay"].startswith("data:image/png;base64,")
    for files, path, code in (
        ([photo] * 2, "/explain", "one_photo"),
        ([photo], "/explain?class_name=cat", "bad_option"),
        ([b"no photo"], "/explain", "not_an_image"),
        ([], "/explain", "no_files"),
    ):
        status, refusal = post(url, files, path)
        assert (status, refusal["error"]["code"]) == (400, code)


def test_the_page_offers_sample_photos_and_no_other_files(deployed: Deployed, url: str) -> None:
    status, samples = request(url, "GET", "/samples.json")
    assert {sample["class_name"] for sample in samples} == set(CLASS_NAMES)
    assert len(samples) == PARAMS.page_photos
    for path in ("/samples/service.json", "/samples/..%2fservice.json", "/page/../service.py", "/samples/", "/nothing"):
        status, answer = request(url, "GET", path)
        assert (status, answer["error"]["code"]) == (404, "not_found")


def test_metrics_count_answers_and_have_one_series_for_all_unknown_paths(deployed: Deployed, url: str) -> None:
    def count(name: str) -> float:
        lines = request(url, "GET", "/metrics")[1].splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    names = (
        "darkroom_predictions_total{",
        "darkroom_confidence_count",
        "darkroom_broken_photos_total{",
        'darkroom_requests_total{path="other"',
        "darkroom_batch_size_count",
        "darkroom_abstentions_total",
    )
    before = {name: count(name) for name in names}
    post(url, [*photos(deployed, 3), b"broken"], "/predict?threshold=1")
    for number in range(20):
        request(url, "GET", f"/never/heard/of/{number}")
    increases = [count(name) - before[name] for name in names]
    assert increases[:4] == [3, 3, 1, 20]
    assert increases[4] >= 1
    assert increases[5] == 3
    assert "/never" not in request(url, "GET", "/metrics")[1]


def test_the_model_card_contains_the_lineage(deployed: Deployed, url: str) -> None:
    status, facts = request(url, "GET", "/model")
    assert status == 200
    assert facts["tag"] == deployed.info.tag
    assert facts["class_names"] == list(CLASS_NAMES)
    assert facts["lineage"] == deployed.info.lineage.model_dump(mode="json")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/docs", "/", "/page/docs.css"])
def test_pages_and_operational_endpoints_answer(url: str, path: str) -> None:
    status, content = request(url, "GET", path)
    assert status == 200
    if path in ("/docs", "/"):
        assert "http" not in content.replace(url, ""), "nothing may be loaded from other servers"


def test_answers_match_the_openapi_document(deployed: Deployed, url: str) -> None:
    status, document = request(url, "GET", "/docs.json")
    assert status == 200
    form = document["paths"]["/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["files"]["items"] == {"type": "string", "format": "binary"}
    assert form["required"] == ["files"]

    assert document["info"]["version"] == "1.0"
    schemas = document["components"]["schemas"]
    for content in examples(document):
        assert_matches(content["example"], content["schema"], schemas)
    responses = document["paths"]["/predict"]["post"]["responses"]
    good_photo, broken = photos(deployed, 1)[0], b"broken"
    for files in ([good_photo], [good_photo, broken], [broken], []):
        status, answer = post(url, files)
        schema = responses[str(status)]["content"]["application/json"]["schema"]
        assert_matches(answer, schema, schemas)
    status, facts = request(url, "GET", "/model")
    assert_matches(facts, {"$ref": "#/components/schemas/ModelCard"}, schemas)
    status, explained = post(url, [good_photo], "/explain")
    assert_matches(explained, {"$ref": "#/components/schemas/Explanation"}, schemas)


def examples(tree: Any) -> Iterator[dict[str, Any]]:
    """Yields all parts of a document that have both an example and a schema."""
    if isinstance(tree, dict):
        if "example" in tree and "schema" in tree:
            yield tree
        for value in tree.values():
            yield from examples(value)


def assert_matches(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    import jsonschema

    jsonschema.validate(value, schema | {"components": {"schemas": schemas}}, cls=jsonschema.Draft202012Validator)


def test_bentomls_client_gets_predictions(deployed: Deployed, url: str) -> None:
    program = (
        "import sys, bentoml; from pathlib import Path\n"
        "with bentoml.SyncHTTPClient(sys.argv[1]) as client:\n"
        "    print(client.predict(files=[Path(sys.argv[2])])['predictions'][0]['label'])"
    )
    path = golden_photos(deployed.dataset_dir)[0]
    result = subprocess.run([sys.executable, "-c", program, url, path], capture_output=True, text=True, check=True)
    assert result.stdout.split()[-1] in CLASS_NAMES


def test_predictions_without_a_server_equal_those_of_the_service(deployed: Deployed, url: str) -> None:
    rows = list(predict_files(deployed.bento_dir, [deployed.dataset_dir / "golden"]))
    assert len(rows) == 36
    for row, (answer,) in zip(rows[:8], (predict(url, [Path(row["path"]).read_bytes()]) for row in rows), strict=False):
        assert isinstance(answer, Prediction)
        assert row["label"] == answer.label
        shares = answer.probabilities
        assert row["probabilities"] == pytest.approx(shares, abs=1e-6)


def test_the_serving_process_imports_no_training_code(deployed: Deployed, tmp_path: Path) -> None:
    """Imports a worker's code from the bento alone: the project's folder is not on Python's path."""
    program = """
import sys
from pathlib import Path
src, root = sys.argv[1:]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__ + str(finder)]
sys.path[:] = [src, *(path for path in sys.path if Path(path).resolve() != Path(root))]
from components.deploy.service.app import PhotoClassifier
import components
assert Path(components.__file__).is_relative_to(src), components.__file__
PhotoClassifier.to_asgi()
PhotoClassifier.inner()
print(*sys.modules)
"""
    src = deployed.bento_dir / "bento" / "src"
    result = subprocess.run(
        [sys.executable, "-c", program, src, ROOT], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    loaded = {name.partition(".")[0] for name in result.stdout.split()}
    assert "openvino" in loaded
    assert not loaded & set(TRAINING_CODE)
