"""The entry point: a Gateway API route or an Ingress, valid according to the API's schemas, with the service's limits.

No implementation of the Gateway API runs here, so the division of requests by weight is not tested.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from components.deploy.parity import BYTES_PER_REQUEST
from components.deploy.service.gateway.middleware import LARGE_SHARE, MAX_HELD_BYTES
from components.deploy.service.protocol import MAX_BODY_BYTES, Limits
from tests.contract.kubernetes.manifests import (
    GATEWAY_MODULE,
    GUIDE,
    find_module,
    named,
    of_kind,
    read_schemas,
    render_with,
)
from tests.support.source_tree import ROOT

GROUP = "gateway.networking.k8s.io"


@pytest.fixture(scope="module")
def schemas() -> dict[tuple[str, str], dict[str, Any]]:
    folder = find_module(*GATEWAY_MODULE) / "config" / "crd" / "standard"
    return read_schemas(folder / f"{GROUP}_{plural}.yaml" for plural in ("gateways", "httproutes"))


def test_the_route_and_the_gateway_match_the_schemas_of_the_api(
    production: list[dict[str, Any]], schemas: dict[tuple[str, str], dict[str, Any]]
) -> None:
    import jsonschema

    routes = [manifest for manifest in production if manifest["apiVersion"].startswith(GROUP)]
    assert sorted(manifest["kind"] for manifest in routes) == ["Gateway", "HTTPRoute", "HTTPRoute"]
    for manifest in routes:
        schema = schemas[manifest["kind"], manifest["apiVersion"].partition("/")[2]]
        jsonschema.validate(manifest, schema)
        with pytest.raises(jsonschema.ValidationError):  # the schema must reject unknown fields
            jsonschema.validate({**manifest, "spec": {**manifest["spec"], "hostName": "darkroom.example.org"}}, schema)


def test_the_route_divides_the_requests_between_champion_and_canary(production: list[dict[str, Any]]) -> None:
    (rule,) = named(production, "HTTPRoute", "darkroom-serve")["spec"]["rules"]
    assert {backend["name"]: backend["weight"] for backend in rule["backendRefs"]} == {
        "darkroom-serve": 100,
        "darkroom-serve-canary": 0,
    }
    for backend in rule["backendRefs"]:
        (port,) = named(production, "Service", backend["name"])["spec"]["ports"]
        assert port["port"] == backend["port"]


def test_each_route_belongs_to_a_listener_of_the_gateway(production: list[dict[str, Any]]) -> None:
    gateway = named(production, "Gateway", "darkroom")
    listeners = {listener["name"]: listener["protocol"] for listener in gateway["spec"]["listeners"]}
    protocols = {}
    for route in of_kind(production, "HTTPRoute"):
        (parent,) = route["spec"]["parentRefs"]
        assert parent["name"] == gateway["metadata"]["name"]
        protocols[route["metadata"]["name"]] = listeners[parent["sectionName"]]
    assert protocols == {"darkroom-serve": "HTTPS", "darkroom-https": "HTTP"}


def test_the_policies_select_the_gateway_by_its_label(production: list[dict[str, Any]]) -> None:
    sources = named(production, "NetworkPolicy", "darkroom-serve")["spec"]["ingress"][0]["from"]
    label = {"darkroom/gateway": "true"}
    assert {"namespaceSelector": {"matchLabels": label}} in sources
    assert {"podSelector": named(production, "NetworkPolicy", "gateway")["spec"]["podSelector"]} in sources
    assert re.search(r"kubectl label namespace \S+ darkroom/gateway=true\n", GUIDE.read_text())


def test_an_ingress_can_replace_the_gateway(production: list[dict[str, Any]], tmp_path: Path) -> None:
    assert of_kind(production, "Ingress") == []
    ingresses = of_kind(render_with("base", "ingress", tmp_path), "Ingress")
    assert {rule["host"] for ingress in ingresses for rule in ingress["spec"]["rules"]} == {"darkroom.example.org"}
    canary = named(ingresses, "Ingress", "darkroom-serve-canary")["metadata"]["annotations"]
    assert canary["nginx.ingress.kubernetes.io/canary"] == "true"


def test_all_layers_have_the_same_upload_limit(tmp_path: Path) -> None:
    mebibytes = MAX_BODY_BYTES // 2**20
    for ingress in of_kind(render_with("base", "ingress", tmp_path), "Ingress"):
        annotations = ingress["metadata"]["annotations"]
        assert annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == f"{mebibytes}m"
    assert f"maxSize: {mebibytes}m" in GUIDE.read_text(), "the guide must set the gateway's own limit"
    assert f"| files, bytes of a request | 64, {mebibytes} MiB |" in (ROOT / "docs" / "serving.md").read_text()
    assert Limits().body_bytes == MAX_BODY_BYTES, "clients and the page must read the same limit"
    assert MAX_HELD_BYTES * LARGE_SHARE >= MAX_BODY_BYTES, "a request of the largest size must fit in memory"
    assert BYTES_PER_REQUEST <= MAX_BODY_BYTES, "the requests of the deploy step must be within the limit"
