"""compose.yaml has no default passwords, opens no port to other machines, and uses the images of k8s/."""

import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipelines.images.build import image_name
from tests.support.source_tree import ROOT

TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = YAML(typ="safe").load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"prepare"}


def test_every_variable_is_required_and_created_in_the_guide() -> None:
    guide = (ROOT / "docs" / "compose.md").read_text()
    variables = re.findall(r"\$\{(\w+)([^}]*)\}", TEXT)
    assert {rest for _, rest in variables} == {":?see docs/compose.md"}
    assert "$$" not in TEXT
    for name, _ in variables:
        assert re.search(rf"\b{name}\b", guide), name


def test_the_file_contains_no_secret() -> None:
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN|KEY|STORE_URI", key):
                assert "${" in value, (name, key)


def test_ports_are_open_only_on_this_machine() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(ports) == {"mlflow", "studio", "service"}
    assert all(port.startswith("127.0.0.1:") for listed in ports.values() for port in listed)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_has_a_health_check_and_restarts(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == ("on-failure" if name in ONE_SHOT else "unless-stopped")
    assert ("healthcheck" in service) == (name not in ONE_SHOT)
    for other, condition in service.get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert condition == {"condition": expected}


def test_images_have_fixed_tags_and_are_built_by_darkroom() -> None:
    ours = {service["image"] for service in SERVICES.values() if service["image"].startswith("darkroom-")}
    assert ours == {image_name(image) for image in ("mlflow", "serve", "studio")}
    for image in {service["image"] for service in SERVICES.values()} - ours:
        assert (
            image
            in (ROOT / "k8s" / "base" / "postgres.yaml").read_text()
            + (ROOT / "k8s" / "overlays" / "local" / "s3.yaml").read_text()
        )


def test_the_containers_of_darkroom_are_confined() -> None:
    for name, service in SERVICES.items():
        if service["image"].startswith("darkroom-"):
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name


def test_only_mlflow_reaches_the_stores() -> None:
    assert COMPOSE["networks"]["stores"] == {"internal": True}
    in_stores = {name for name, service in SERVICES.items() if "stores" in service.get("networks", [])}
    assert in_stores == {"postgres", "s3", "prepare", "mlflow"}
    assert all(SERVICES[name]["networks"] == ["stores"] for name in in_stores - {"mlflow"})
