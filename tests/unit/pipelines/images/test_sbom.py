"""The software bill of materials of a container image, from the real inventory of this environment."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from pipelines.images import inventory, sbom

STATUS = """\
Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2+b7
Description: GNU Bourne Again SHell
 Version: 9 is not a field, but text

Package: perl
Status: deinstall ok config-files
Architecture: amd64
Version: 5.36.0-7

Package: libacl1
Status: install ok installed
Architecture: amd64
Version: 1:2.3.1-3
"""


@pytest.fixture(scope="module")
def python_inventory() -> dict[str, Any]:
    """The output of inventory.py; the Python in an image runs this program, so it imports nothing from Darkroom."""
    program = Path(inventory.__file__).read_text(encoding="utf-8")
    result = subprocess.run([sys.executable, "-I", "-"], input=program, capture_output=True, text=True, check=True)
    contents: dict[str, Any] = json.loads(result.stdout)
    return contents


def test_every_installed_package_is_listed_with_version_license_and_hashes(python_inventory: dict[str, Any]) -> None:
    image_inventory = python_inventory | {
        "debian": inventory.debian_packages(STATUS),
        "system": {"id": "debian", "version": "12"},
    }
    bill = sbom.bill_of_materials(
        "darkroom-serve-python:0.2.0", "sha256:1", "2026-01-01T00:00:00Z", "serve", image_inventory
    )
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert bill == sbom.bill_of_materials(
        "darkroom-serve-python:0.2.0", "sha256:1", "2026-01-01T00:00:00Z", "serve", image_inventory
    )
    components = {component["purl"]: component for component in bill["components"]}
    references = [component["bom-ref"] for component in bill["components"]]
    assert len(set(references)) == len(references)
    assert bill["dependencies"] == [{"ref": "sha256:1", "dependsOn": references}]

    numpy = components[f"pkg:pypi/numpy@{version('numpy')}"]
    assert numpy["licenses"] == [{"expression": "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0"}]
    [files] = numpy["externalReferences"]
    lock = (sbom.LOCK_DIR / "serve.txt").read_text()
    assert files["hashes"]
    assert all(f"--hash=sha256:{file['content']}" in lock for file in files["hashes"])

    assert components["pkg:deb/debian/bash@5.2.15-2%2Bb7?arch=amd64&distro=debian-12"]["name"] == "bash"
    assert "pkg:deb/debian/libacl1@1%3A2.3.1-3?arch=amd64&distro=debian-12" in components
    assert not any("perl" in purl for purl in components)


def test_every_component_has_the_fields_that_cyclonedx_requires(python_inventory: dict[str, Any]) -> None:
    bill = sbom.bill_of_materials("darkroom-train-python:0.2.0-gpu", "sha256:1", "now", "train-gpu", python_inventory)
    for component in [*bill["components"], bill["metadata"]["component"]]:
        assert component["type"] in {"library", "platform", "container"}
        assert all(isinstance(component[key], str) and component[key] for key in ("bom-ref", "name", "version"))
        for entry in component.get("licenses", []):
            assert set(entry) in ({"expression"}, {"license"})
    assert sbom.sbom_path("darkroom-train-python:0.2.0-gpu") == Path(
        "build/sbom/darkroom-train-python_0.2.0-gpu.cdx.json"
    )
