"""The images of the manifests and of the pipeline, built here and copied into the cluster.

Images that this machine cannot pull are replaced: PostgreSQL with Debian's package of the same version, SeaweedFS with
another S3 store. Both replacements accept the arguments and variables that the manifests pass to the originals.
"""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines.images.build import IMAGES, SOURCE_LABEL, image_name, source_digest
from tests.cluster.support import kubectl as cluster
from tests.cluster.support.kubectl import kubectl
from tests.support import container_engine
from tests.support.container_engine import docker

PROOF = "darkroom-proof"
"""The namespace of the objects that only the proof needs."""
STAND_INS = {"postgres:17.5": "make_postgres_image.sh", "chrislusf/seaweedfs:3.97": "make_s3_image.sh"}
"""Public image → the script beside this file that builds a stand-in."""
LOADER_VARIABLE = "DARKROOM_LOAD_IMAGES"
"""The environment variable for a command that copies images, given as arguments, from the engine into the cluster.

If it is not set, kind's command is used.
"""


def load_images() -> None:
    """Builds the images of this source tree, and loads those that the cluster lacks into it."""
    with container_engine.running():
        if outdated := [image for image in IMAGES if _label(image) != source_digest(image)]:
            container_engine.build(*outdated)
        for name, script in STAND_INS.items():
            _provide(name, script)
        names = [*(image_name(image) for image in IMAGES), *STAND_INS]
        ids = {name: docker("image", "inspect", "--format", "{{.Id}}", name) for name in names}
        missing = [name for name, image_id in ids.items() if loaded_images().get(_key(name)) != image_id]
        if not missing:
            return
        result = subprocess.run([*_loader(), *missing], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        data = {_key(name): image_id for name, image_id in ids.items()}
        cluster.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "images", "namespace": PROOF}, "data": data}
        )


def _label(image: str) -> str:
    """Returns the digest of the source that an image was built from; empty if the image does not exist."""
    template = f'{{{{index .Config.Labels "{SOURCE_LABEL}"}}}}'
    return docker("image", "inspect", "--format", template, image_name(image), check=False)


def _provide(name: str, script: str) -> None:
    """Pulls a public image, or builds its stand-in."""
    if docker("images", "--quiet", name):
        return
    if subprocess.run(["docker", "pull", "--quiet", name], capture_output=True, check=False).returncode != 0:
        result = subprocess.run(
            [Path(__file__).with_name(script), name], stderr=subprocess.PIPE, text=True, check=False
        )
        if result.returncode != 0:
            pytest.skip(f"{name} can neither be pulled nor replaced: {result.stderr.strip()[-300:]}")


def _loader() -> list[str]:
    if command := os.environ.get(LOADER_VARIABLE):
        return shlex.split(command)
    context = kubectl("config", "current-context").strip()
    if shutil.which("kind") and context.startswith("kind-"):
        return ["kind", "load", "docker-image", "--name", context.removeprefix("kind-")]
    pytest.skip(f"no way to copy images into the cluster {context}: set {LOADER_VARIABLE} to a command that does so")


def loaded_images() -> dict[str, str]:
    if not cluster.exists(PROOF, "configmap", "images"):
        return {}
    data: dict[str, str] = cluster.get(PROOF, "configmap", "images")["data"]
    return data


def _key(image: str) -> str:
    return image.replace("/", ".").replace(":", "-")
