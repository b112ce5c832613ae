"""Builds the container images from components/Dockerfile, and pushes them to a registry."""

import contextlib
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components.contract.errors import DarkroomError
from components.contract.foreign.repository import git_revision
from components.contract.system import launcher
from components.contract.system.address import MASK, Address

if TYPE_CHECKING:
    from docker import DockerClient

STEPS: Final = ("preprocess", "train", "evaluate", "deploy")
IMAGES: Final = (*STEPS, "serve", "mlflow")
"""The image serve runs a bento; the image mlflow runs the tracking server of a cluster."""
STUDIO: Final = "studio"
"""The image of compose.yaml with all steps in one environment; it is built only on request."""
SOURCE_DIR: Final = Path(__file__).resolve().parents[2]
DOCKERFILE: Final = "components/Dockerfile"
DIGESTS_PATH: Final = Path("build/images.json")
"""The file in which `push` stores the digests for `darkroom submit`."""
SOURCE_LABEL: Final = "org.darkroom.source"
"""The label with the image's `source_digest`, which shows whether an image contains the code of this source tree."""
_BASE_ARGUMENT: Final = re.compile(r"^ARG BASE_IMAGE=(\S+)", re.MULTILINE)


def _public_base() -> str:
    """The base image in the Dockerfile, with its digest if it is pinned."""
    try:
        match = _BASE_ARGUMENT.search((SOURCE_DIR / DOCKERFILE).read_text(encoding="utf-8"))
    except FileNotFoundError:  # Darkroom is installed without its source tree, and builds no images
        match = None
    return match[1] if match else "python:3.11-slim"


PUBLIC_BASE: Final = _public_base()


class EngineError(DarkroomError):
    """The container engine is missing or fails, or an image is missing or unusable."""


@dataclass(frozen=True)
class BuildOptions:
    """The options for building images.

    Attributes:
        base_image: the image to build on, which must contain Python 3.11 with its venv module.
        gpu: whether the train image contains TensorFlow with CUDA; its tag then ends in -gpu.
        network: the Docker network for the build, such as `host`; None for Docker's default.
        index_url: a custom package index; None for the default.
        offline: whether to install packages only from the folder wheels/.
    """

    base_image: str = PUBLIC_BASE
    gpu: bool = False
    network: str | None = None
    index_url: str | None = None
    offline: bool = False


def _version() -> str:
    from importlib.metadata import version

    return version("darkroom")


def image_name(image: str, *, gpu: bool = False) -> str:
    """The name and tag of a locally built image; KFP's local runner requires the name to contain python."""
    return f"darkroom-{image}-python:{_version()}{'-gpu' if gpu else ''}"


def source_digest(image: str) -> str | None:
    """The digest of all source files from which an image is built; None if there is no source tree."""
    if not (SOURCE_DIR / DOCKERFILE).is_file():
        return None
    folders = ["components/contract", f"components/{image}"] if image in STEPS else []
    if image == STUDIO:
        folders = ["components", "darkroom", "pipelines"]
    paths = [path for folder in folders for path in (SOURCE_DIR / folder).rglob("*") if path.suffix != ".pyc"]
    paths += [SOURCE_DIR / name for name in (DOCKERFILE, f"requirements/{image}.txt", "requirements/kfp.txt")]
    digest = hashlib.sha256()
    for path in sorted(paths):
        if path.is_file():
            digest.update(f"{path.relative_to(SOURCE_DIR)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class BuiltImage:
    """A built image, its size, and its bill of materials."""

    name: str
    num_bytes: int
    sbom_path: Path


def build_all(images: Iterable[str], options: BuildOptions) -> Iterator[BuiltImage]:
    """Builds images, one after another; only train has a GPU variant."""
    for image in images:
        gpu = options.gpu and image == "train"
        num_bytes = build(image, options)
        yield BuiltImage(image_name(image, gpu=gpu), num_bytes, write_sbom(image, gpu=gpu))


def build(image: str, options: BuildOptions) -> int:
    """Builds one image; the engine prints its progress to standard error.

    Args:
        image: one of IMAGES, or STUDIO.
        options: the build options.

    Returns:
        The size of the image in bytes.

    Raises:
        EngineError: there is no engine, no source tree, or the build failed.
    """
    if not (SOURCE_DIR / DOCKERFILE).is_file():
        raise EngineError(
            f"Images are built from Darkroom's source tree; there is no {SOURCE_DIR / DOCKERFILE}. "
            "Install Darkroom from its repository: make run."
        )
    gpu = options.gpu and image == "train"
    name = image_name(image, gpu=gpu)
    _docker(
        "build", *build_arguments(image, options), "--tag", name, str(SOURCE_DIR), what=f"building {name}", show=True
    )
    return int(_docker("image", "inspect", "--format", "{{.Size}}", name, what=f"inspecting {name}"))


def write_sbom(image: str, *, gpu: bool = False) -> Path:
    """Writes the bill of materials of a built image: the installed packages, as CycloneDX.

    Raises:
        EngineError: there is no engine or no such image.
    """
    from components.contract.system.atomic_files import write_json
    from pipelines.images import inventory, sbom

    name = image_name(image, gpu=gpu)
    what = f"listing the packages of {name} (to build it: make images)"
    image_id, created = _docker("image", "inspect", "--format", "{{.Id}} {{.Created}}", name, what=what).split()
    program = Path(inventory.__file__).read_text(encoding="utf-8")
    command = ("run", "--rm", "--interactive", "--network", "none", "--entrypoint", "python3", name, "-")
    contents = json.loads(_docker(*command, what=what, standard_input=program))
    path = sbom.sbom_path(name)
    lock = "train-gpu" if gpu and image == "train" else image
    write_json(path, sbom.bill_of_materials(name, image_id, created, lock, contents))
    return path


def build_arguments(image: str, options: BuildOptions) -> list[str]:
    """Returns the command-line options for `docker build`."""
    arguments = {"BASE_IMAGE": options.base_image, "STEP": image}
    if options.gpu and image == "train":
        arguments["LOCK"] = "train-gpu"
    if options.index_url:
        if MASK in Address(options.index_url):
            raise EngineError(
                "The address of a package index must not contain a user, password or query, because the "
                "image's history shows it. Use an index without a password, or --offline."
            )
        arguments["PIP_INDEX_URL"] = options.index_url
    if options.offline:
        arguments["PIP_NO_INDEX"] = "1"
    labels = {
        "org.opencontainers.image.revision": revision(),
        "org.opencontainers.image.version": _version(),
        SOURCE_LABEL: source_digest(image) or "",
    }
    return [
        "--file",
        str(SOURCE_DIR / DOCKERFILE),
        "--target",
        "step" if image in STEPS else image,
        *(word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")),
        *(word for key, value in labels.items() for word in ("--label", f"{key}={value}")),
        *(("--network", options.network) if options.network else ()),
    ]


def revision() -> str:
    """The commit of the source tree, followed by `-dirty` if tracked files differ from it; `unknown` outside of git."""
    return git_revision(SOURCE_DIR) or "unknown"


def push_all(images: Iterable[str], registry: str, *, gpu: bool) -> dict[str, str]:
    """Pushes images, and stores their digests for `darkroom submit`; returns the digests by image."""
    digests = {image: push(image, registry, gpu=gpu and image == "train") for image in images}
    write_digests(digests)
    return digests


def push(image: str, registry: str, *, gpu: bool = False) -> str:
    """Pushes one image.

    Args:
        image: one of IMAGES, or STUDIO.
        registry: the registry, such as `registry.example.org/team`.
        gpu: whether to push the GPU variant.

    Returns:
        The reference of the image with its digest, `registry/name@sha256:…`.

    Raises:
        EngineError: there is no engine or no such image, or the registry rejects the image.
    """
    local = image_name(image, gpu=gpu)
    remote = f"{registry.rstrip('/')}/{local}"
    _docker("tag", local, remote, what=f"finding {local} (to build it: make images)")
    _docker("push", remote, what=f"pushing {remote} (check its name, and run docker login)", show=True)
    digests = _docker("image", "inspect", "--format", '{{join .RepoDigests "\\n"}}', remote, what=f"reading {remote}")
    prefix = f"{remote.rpartition(':')[0]}@"
    return next(digest for digest in digests.split() if digest.startswith(prefix))


def write_digests(digests: dict[str, str]) -> None:
    """Stores digests of pushed images for `darkroom submit`; keeps the digests of images that were pushed earlier."""
    from components.contract.system.atomic_files import write_json

    earlier_digests = read_digests() if DIGESTS_PATH.exists() else {}
    write_json(DIGESTS_PATH, earlier_digests | digests)


def read_digests() -> dict[str, str]:
    """Reads the digests that `write_digests` stored.

    Raises:
        EngineError: no images were pushed from this folder.
    """
    try:
        digests: dict[str, str] = json.loads(DIGESTS_PATH.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EngineError(
            f"A cluster pulls images by digest, but none have been pushed from this folder: {DIGESTS_PATH} does "
            "not exist. Push them with darkroom images push REGISTRY. For kind and minikube, use "
            "--local-images."
        ) from None
    return digests


def _docker(*arguments: str, what: str, show: bool = False, standard_input: str = "") -> str:
    try:
        result = launcher.run(
            launcher.program("docker", *arguments),
            input_text=standard_input,
            stdout=sys.stderr if show else subprocess.PIPE,
            stderr=sys.stderr if show else subprocess.PIPE,
        )
    except FileNotFoundError:
        raise EngineError(
            "A container engine is needed; no `docker` was found on PATH. Install Docker Engine, "
            "or Podman with its docker command."
        ) from None
    if result.returncode != 0:
        reason = "see the output above" if show else (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EngineError(f"Docker failed while {what}: {reason}.")
    return (result.stdout or "").strip()


@contextlib.contextmanager
def connect_engine(purpose: str = "--runner docker") -> Iterator["DockerClient"]:
    """Connects to the container engine.

    Args:
        purpose: what needs the engine, for the error message.

    Raises:
        EngineError: there is no engine, or it denies access.
    """
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        without = " To run without containers: --runner subprocess." if purpose == "--runner docker" else ""
        raise EngineError(
            f"A running container engine is needed for {purpose}; none answers: {error}. Start Docker, "
            f"add your user to the group docker, or set DOCKER_HOST.{without}"
        ) from None
    try:
        yield client
    finally:
        client.close()
