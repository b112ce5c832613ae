"""Renders the manifests in k8s/ with `kubectl kustomize`, and finds objects and parts of objects in them."""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ruamel.yaml import YAML

from tests.support.source_tree import ROOT

GUIDE = ROOT / "docs" / "kubernetes.md"
OVERLAYS = ("local", "gpu", "production", "kserve")
SECRETS_SCRIPT = ROOT / "k8s" / "secrets.sh"
GATEWAY_MODULE = "sigs.k8s.io/gateway-api", "v1.6.3"
KSERVE_MODULE = "github.com/kserve/kserve", "v0.17.0"
"""The Go modules that contain CRDs, and the versions that the manifests were written for."""
WORKLOADS = ("Deployment", "StatefulSet", "Job", "CronJob")


@functools.cache
def render(folder: str) -> list[dict[str, Any]]:
    """Renders a folder of k8s/ with `kubectl kustomize`."""
    return render_path(ROOT / "k8s" / folder)


def render_path(path: Path) -> list[dict[str, Any]]:
    for command in (["kubectl", "kustomize"], ["kustomize", "build"]):
        if shutil.which(command[0]):
            result = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stderr
            return [document for document in YAML(typ="safe").load_all(result.stdout) if document]
    pytest.skip("rendering the overlays needs kubectl or kustomize; neither is on PATH")


def render_with(folder: str, component: str, scratch: Path) -> list[dict[str, Any]]:
    """Renders a folder of k8s/ together with a component that it does not include.

    Args:
        folder: the folder, relative to k8s/.
        component: the component, relative to k8s/components/.
        scratch: a folder for the kustomization that combines both.
    """
    (scratch / "kustomization.yaml").write_text(
        f"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"resources: [{os.path.relpath(ROOT / 'k8s' / folder, scratch)}]\n"
        f"components: [{os.path.relpath(ROOT / 'k8s' / 'components' / component, scratch)}]\n"
    )
    return render_path(scratch)


def secret_commands() -> dict[str, str]:
    """Maps each secret to the command that creates it, in the guide or in the script."""
    in_guide = re.findall(r"(create secret generic ([\w-]+) (?:.|\n)*?)(?:\n\n|```)", GUIDE.read_text())
    in_script = re.findall(r"^((?:.*\\\n)?.*\| secret \w+ ([\w-]+))$", SECRETS_SCRIPT.read_text(), re.MULTILINE)
    return {name: command for command, name in in_guide + in_script}


def find_module(name: str, version: str) -> Path:
    """Returns the folder of the newest cached version of a Go module."""
    if shutil.which("go") is None:
        pytest.skip(f"the CRDs come from the Go module {name}, and go is not on PATH")
    cache = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    folders = sorted(
        Path(cache).glob(f"{name}@v*"), key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)]
    )
    if not folders:
        pytest.skip(f"Go's module cache lacks the CRDs of {name}: go mod download {name}@{version}")
    return folders[-1]


def read_schemas(paths: Iterable[Path]) -> dict[tuple[str, str], dict[str, Any]]:
    """Maps (kind, version) to the schemas in CRDs, as the API server applies them with strict field validation."""
    crds = [yaml.load(path.read_text(), yaml.CSafeLoader) for path in paths]  # 20 times as fast as ruamel.yaml
    return {
        (crd["spec"]["names"]["kind"], version["name"]): strict(version["schema"]["openAPIV3Schema"])
        for crd in crds
        for version in crd["spec"]["versions"]
    }


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns a copy of the schema in which unknown fields are errors."""
    if schema.get("properties") and schema["properties"].get("metadata") != schema:
        schema = {**schema, "properties": {name: strict(child) for name, child in schema["properties"].items()}}
        schema.setdefault("additionalProperties", False)
    if isinstance(schema.get("items"), dict):
        schema = {**schema, "items": strict(schema["items"])}
    return schema


def of_kind(manifests: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def pods(manifests: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yields (name, labels, pod spec) of each workload."""
    for manifest in of_kind(manifests, "InferenceService"):
        predictor = manifest["spec"]["predictor"]
        yield manifest["metadata"]["name"], predictor["labels"], predictor
    for manifest in of_kind(manifests, *WORKLOADS):
        spec = manifest["spec"]["jobTemplate"]["spec"] if manifest["kind"] == "CronJob" else manifest["spec"]
        template = spec["template"]
        yield manifest["metadata"]["name"], template["metadata"]["labels"], template["spec"]


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def named(manifests: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (manifest,) = [manifest for manifest in of_kind(manifests, kind) if manifest["metadata"]["name"] == name]
    return manifest
