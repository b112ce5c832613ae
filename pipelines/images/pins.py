"""Pins third-party images by digest: the base image, and the public images in compose.yaml and k8s/.

A tag can be moved to another image, but a digest cannot. The container engine looks up the digests in the registry,
with its own login, proxy and mirror; no image is pulled.
"""

import re
from pathlib import Path
from typing import Final

from components.contract.system.atomic_files import write_file
from pipelines.images.build import DOCKERFILE, SOURCE_DIR, EngineError, connect_engine

REFERENCE: Final = re.compile(
    r"^(?P<before>ARG BASE_IMAGE=|[ -]*image: +)"
    r"(?P<image>(?!darkroom-)[^\s@{}\"']+)(?P<digest>@sha256:[0-9a-f]{64})?(?=\s|$)",
    re.MULTILINE,
)
"""Matches a third-party image in a Dockerfile or a manifest.

The images that Darkroom builds are left out: `darkroom images push` determines their digests.
"""


def list_pinned_files(root: Path = SOURCE_DIR) -> list[Path]:
    """The files that name third-party images."""
    paths = [root / DOCKERFILE, root / "compose.yaml", *sorted((root / "k8s").rglob("*.yaml"))]
    return [path for path in paths if path.is_file()]


def pin(root: Path = SOURCE_DIR) -> dict[str, str]:
    """Writes the digest after each tag in the files; writes nothing unless all digests can be looked up.

    Returns:
        The digest of each image by its name in the files, such as `postgres:17.5`.

    Raises:
        EngineError: there is no source tree or no engine, or a registry does not answer or does not have an image.
    """
    if not (root / DOCKERFILE).is_file():
        raise EngineError(
            f"Images are pinned in Darkroom's source tree; there is no {root / DOCKERFILE}. Install Darkroom from "
            "its repository: make run."
        )
    texts = {path: path.read_text(encoding="utf-8") for path in list_pinned_files(root)}
    names = sorted({match["image"] for text in texts.values() for match in REFERENCE.finditer(text)})
    digests = _resolve(names)
    for path, text in texts.items():
        pinned_text = REFERENCE.sub(lambda match: f"{match['before']}{match['image']}@{digests[match['image']]}", text)
        if pinned_text != text:
            write_file(path, pinned_text.encode())
    return digests


def _resolve(names: list[str]) -> dict[str, str]:
    from docker.errors import APIError

    digests = {}
    with connect_engine("darkroom images pin") as client:
        for name in names:
            try:
                digests[name] = str(client.images.get_registry_data(name).id)
            except APIError as error:
                raise EngineError(
                    f"The digest of the image {name} could not be looked up in its registry; the engine reports: "
                    f"{error.explanation or error}. Connect this machine to the registry's network (or log in: docker "
                    "login), and run darkroom images pin again. No file has been changed."
                ) from None
    return digests
