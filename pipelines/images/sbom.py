"""Creates the bill of materials of an image: CycloneDX 1.6 as JSON, from its installed packages and its lock file."""

import re
import uuid
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pipelines.images.licenses import ALLOWED, LOCK_DIR, REVIEWED, expression_of, is_allowed

SBOM_DIR: Final = Path("build/sbom")
SPEC_VERSION: Final = "1.6"

Component = dict[str, Any]


def bill_of_materials(name: str, image_id: str, created: str, lock: str, inventory: dict[str, Any]) -> Component:
    """Creates the document for one image; the same image produces the same document.

    Args:
        name: the name and tag of the image, `name:tag`.
        image_id: the digest of the image's content, `sha256:…`.
        created: the time when the image was built, in ISO 8601.
        lock: the name of the requirements file, such as `train-gpu`; its hashes are those of the files that pip may
            install.
        inventory: the output of `pipelines/images/inventory.py` in the image.
    """
    title, _, tag = name.partition(":")
    hashes = {package: hashes_of for path in (lock, "kfp") for package, hashes_of in _locked_hashes(path).items()}
    components = [_python_component(package, hashes) for package in inventory["packages"]]
    components += [_debian_component(package, inventory["system"]) for package in inventory["debian"]]
    components.append(
        _component("platform", "cpython", inventory["python"], f"pkg:generic/python@{inventory['python']}")
    )
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, image_id)}",
        "version": 1,
        "metadata": {
            "timestamp": created,
            "tools": {"components": [{"type": "application", "name": "darkroom", "version": tag.removesuffix("-gpu")}]},
            "component": {
                "type": "container",
                "bom-ref": image_id,
                "name": title,
                "version": tag,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": components,
        "dependencies": [{"ref": image_id, "dependsOn": [component["bom-ref"] for component in components]}],
    }


def sbom_path(name: str) -> Path:
    """The path for the document about an image; `name` is the image's name and tag."""
    return SBOM_DIR / f"{name.replace(':', '_')}.cdx.json"


def _python_component(package: dict[str, Any], hashes: dict[str, list[str]]) -> Component:
    name = re.sub(r"[-_.]+", "-", package["name"]).lower()
    component = _component("library", name, package["version"], f"pkg:pypi/{name}@{quote(package['version'])}")
    expression = REVIEWED.get(name) or expression_of(
        package["expression"], package["licence"], list(package["classifiers"])
    )
    if expression:
        is_spdx = is_allowed(expression, ALLOWED)
        component["licenses"] = [{"expression": expression} if is_spdx else {"license": {"name": expression[:200]}}]
    if name in hashes:
        files = [{"alg": "SHA-256", "content": content} for content in hashes[name]]
        component["externalReferences"] = [
            {"type": "distribution", "url": component["purl"], "comment": "one of these files", "hashes": files}
        ]
    return component


def _debian_component(package: dict[str, str], system: dict[str, str]) -> Component:
    purl = (
        f"pkg:deb/{system['id']}/{quote(package['name'])}@{quote(package['version'], safe='')}"
        f"?arch={package['architecture']}&distro={system['id']}-{system['version']}"
    )
    return _component("library", package["name"], package["version"], purl)


def _component(kind: str, name: str, version: str, purl: str) -> Component:
    return {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _locked_hashes(lock: str) -> dict[str, list[str]]:
    """The SHA-256 of every file that the lock file allows, by package."""
    text = (LOCK_DIR / f"{lock}.txt").read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[a-z0-9._-]+==)", text, flags=re.MULTILINE)
    return {
        block.partition("==")[0]: re.findall(r"--hash=sha256:([0-9a-f]{64})", block)
        for block in blocks
        if "==" in block
    }
