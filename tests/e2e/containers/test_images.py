"""The images of the steps: complete, small, without privileges, and checked before a run."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from pipelines.images import build as images
from pipelines.images.build import STEPS, EngineError, image_name
from pipelines.runners import docker as docker_runner
from tests.support.container_engine import docker

pytestmark = [pytest.mark.docker, pytest.mark.proof]


SIZES = {"preprocess": 1.0e9, "serve": 1.0e9, "train": 3.0e9}
"""Maximum size of each image in bytes."""


def test_a_missing_image_is_reported(engine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_runner, "image_name", lambda step, **_: f"darkroom-{step}-python:absent")
    with pytest.raises(EngineError, match=r"Docker has no image darkroom-preprocess-python:absent.*make images"):
        docker_runner.check_images()


def test_an_image_with_outdated_code_is_rejected(step_images: None, monkeypatch: pytest.MonkeyPatch) -> None:
    docker_runner.check_images()
    monkeypatch.setattr(docker_runner, "source_digest", lambda step: f"other code of {step}")
    with pytest.raises(EngineError, match=r"must contain the code of this source tree.*make images"):
        docker_runner.check_images()


def test_an_image_for_another_processor_is_refused(
    engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = docker("version", "--format", "{{.Server.Arch}}")
    other = "arm64" if machine == "amd64" else "amd64"
    name = f"darkroom-other-python:{other}"
    docker("load", "--input", str(image_archive(tmp_path, name, other)))
    try:
        monkeypatch.setattr(docker_runner, "image_name", lambda step, **_: name)
        with pytest.raises(EngineError, match=f"must be built for {machine}.*it is for {other}"):
            docker_runner.check_images()
    finally:
        docker("rmi", name)


def image_archive(folder: Path, name: str, architecture: str) -> Path:
    """Writes an archive of an image for this architecture, with one empty layer, and returns its path."""
    with tarfile.open(folder / "layer.tar", "w"):
        pass
    layer = hashlib.sha256((folder / "layer.tar").read_bytes()).hexdigest()
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{layer}"]}
    (folder / "config.json").write_text(json.dumps({"architecture": architecture, "os": "linux", "rootfs": rootfs}))
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with tarfile.open(folder / "image.tar", "w") as archive:
        for member in ("layer.tar", "config.json", "manifest.json"):
            archive.add(folder / member, member)
    return folder / "image.tar"


@pytest.mark.parametrize("image", [*STEPS, "serve"])
def test_an_image_is_small_and_unprivileged(image: str, step_images: None) -> None:
    image_info = json.loads(docker("image", "inspect", image_name(image)))[0]
    assert image_info["Config"]["User"] == "10001:10001"
    assert image_info["Config"]["Labels"]["org.opencontainers.image.revision"] not in ("", "unknown")
    assert image_info["Size"] < SIZES.get(image, 3e9)
    script = (
        "for name in gcc cc g++ make pip pip3 uv; do "
        'if [ "$name" != uv ] || [ "$1" != deploy ]; then ! command -v $name || exit 1; fi; done; '
        "find /opt/darkroom -name '*.pyc' | head -1 | grep -q . || exit 2; "
        "find / -xdev -writable -type f ! -path '/proc/*' ! -path '/dev/*' | grep . && exit 3; exit 0"
    )
    docker("run", "--rm", "--read-only", "--network", "none", image_name(image), "sh", "-c", script, "sh", image)


def test_the_bill_of_materials_of_an_image_lists_its_packages(
    step_images: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bill = json.loads(images.write_sbom("serve").read_text())
    purls = {component["purl"].partition("?")[0] for component in bill["components"]}
    lock = "\n" + (images.SOURCE_DIR / "requirements" / "serve.txt").read_text()
    python = {purl.removeprefix("pkg:pypi/") for purl in purls if purl.startswith("pkg:pypi/")}
    assert "numpy" in {name.partition("@")[0] for name in python}
    assert all(f"\n{name.replace('@', '==')} " in lock for name in python)
    assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in purls)
