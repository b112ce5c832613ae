"""The InferenceService matches KServe's CRD, and its pods equal those of the Deployment that it replaces.

KServe itself does not run here.
"""

from typing import Any

import pytest

from tests.contract.kubernetes.manifests import (
    KSERVE_MODULE,
    containers,
    find_module,
    named,
    of_kind,
    read_schemas,
    render,
)


@pytest.fixture(scope="module")
def kserve() -> list[dict[str, Any]]:
    return render("overlays/kserve")


def test_the_inference_service_matches_the_crd(kserve: list[dict[str, Any]]) -> None:
    import jsonschema

    folder = find_module(*KSERVE_MODULE) / "config" / "crd" / "full"
    schemas = read_schemas([folder / "serving.kserve.io_inferenceservices.yaml"])
    (service,) = of_kind(kserve, "InferenceService")
    schema = schemas["InferenceService", service["apiVersion"].partition("/")[2]]
    jsonschema.validate(service, schema)
    predictor = service["spec"]["predictor"]
    for wrong in ({**predictor, "minimumReplicas": 1}, {**predictor, "containers": [{"image": 3}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**service, "spec": {"predictor": wrong}}, schema)


def test_the_pods_equal_those_of_the_deployment(kserve: list[dict[str, Any]]) -> None:
    template = named(render("overlays/local"), "Deployment", "darkroom-serve")["spec"]["template"]
    predictor = named(kserve, "InferenceService", "darkroom")["spec"]["predictor"]
    assert predictor["labels"] == template["metadata"]["labels"]
    (pod_container,) = template["spec"]["containers"]
    (container,) = predictor["containers"]
    assert {**container, "name": "", "ports": []} == {**pod_container, "name": "", "ports": []}
    assert [port["containerPort"] for port in container["ports"]] == [3000]
    (fetch,), (pod_fetch,) = predictor["initContainers"], template["spec"]["initContainers"]
    assert {**fetch, "envFrom": fetch["envFrom"][:1]} == pod_fetch
    for name, value in template["spec"].items():
        if name not in ("containers", "initContainers"):
            assert predictor[name] == value, name


def test_only_kserve_owns_and_scales_the_pods(kserve: list[dict[str, Any]]) -> None:
    assert [manifest["metadata"]["name"] for manifest in of_kind(kserve, "Deployment")] == ["mlflow"]
    assert of_kind(kserve, "HorizontalPodAutoscaler") == []
    predictor = named(kserve, "InferenceService", "darkroom")["spec"]["predictor"]
    scaler = named(render("overlays/local"), "HorizontalPodAutoscaler", "darkroom-serve")["spec"]
    (metric,) = scaler["metrics"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (scaler["minReplicas"], scaler["maxReplicas"])
    assert (predictor["scaleMetric"], predictor["scaleTarget"]) == (
        metric["resource"]["name"],
        metric["resource"]["target"]["averageUtilization"],
    )


def test_all_other_objects_equal_those_of_the_local_overlay(kserve: list[dict[str, Any]]) -> None:
    replaced = ("darkroom-serve", "darkroom", "darkroom-bento")
    own_names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in kserve}
    for manifest in render("overlays/local"):
        if (
            manifest["kind"] not in ("Deployment", "HorizontalPodAutoscaler")
            or manifest["metadata"]["name"] not in replaced
        ):
            assert manifest in kserve, manifest["metadata"]["name"]
    assert ("InferenceService", "darkroom") in own_names
    for container in containers(named(kserve, "InferenceService", "darkroom")["spec"]["predictor"]):
        assert container["image"].endswith("-python:0.2.0")
