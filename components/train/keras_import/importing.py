"""Safe import of an uploaded model: from an untrusted file to our own copy.

No part of the upload is passed to Keras' loaders, to pickle or to eval. The file is copied and hashed; a confined
process converts its weights to plain numbers; its description is checked against an allow-list; a second confined
process builds that network with Keras' constructors, loads the weights, tries it out on black photos and noise, and
saves it again. Only that copy is used afterwards.
"""

import hashlib
import json
import logging
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from components.contract.errors import UploadError
from components.contract.layers.shapes import Shape
from components.contract.system.atomic_files import file_sha256, new_folder, write_json
from components.train.keras_import import architecture, builder, inspection
from components.train.keras_import.confined.confinement import Confinement, run_confined
from components.train.keras_import.confined.reader import Contents
from components.train.keras_import.facts import ImportedModel, facts_of
from components.train.keras_import.limits import Limits
from components.train.keras_import.plan import Plan, make_plan, read_contents, write_plan

log = logging.getLogger(__name__)

_CHUNK_BYTES: Final = 2**20


@dataclass(frozen=True)
class Expectation:
    """The requirements for an upload.

    Attributes:
        num_classes: the number of classes that a model must have outputs for if it is used unchanged; None if its head
            is replaced.
        architecture: the name of the network in keras.applications, required for a weights file.
        image_size: (height, width) in pixels for which an architecture is built; None for its default.
    """

    num_classes: int | None = None
    architecture: str | None = None
    image_size: tuple[int, int] | None = None


def import_model(
    path: Path,
    output_dir: Path,
    *,
    expected: Expectation = Expectation(),
    limits: Limits = Limits(),  # noqa: B008 frozen
) -> ImportedModel:
    """Imports an uploaded model.

    Args:
        path: a .keras file, an HDF5 file of a whole model or of weights, or a zip that contains one of these.
        output_dir: the output folder, replaced completely or not at all:
            model.keras     our copy, which `load` reads
            import.json     ImportedModel
        expected: the requirements for the model.
        limits: the limits on its size.

    Raises:
        UploadError: the upload is rejected; the message says why, where, and what to do. Nothing is
            written.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-upload-") as scratch:
        folder = Path(scratch)
        uploaded_sha256 = take_snapshot(path, folder / "upload", limits)
        try:
            plan = read_upload(folder, expected, limits)
            if expected.num_classes is not None:
                check_classes(plan.sizes.output_shape, expected.num_classes)
            _build(folder, plan, limits)
        except UploadError as error:
            raise UploadError(f"{path}: {error}") from None
        with new_folder(output_dir) as output:
            shutil.copyfile(folder / "model.keras", output / "model.keras")
            facts = facts_of(plan, uploaded_sha256, file_sha256(output / "model.keras"))
            write_json(output / "import.json", facts)
    log.info("Imported %s: %s, %s parameters, saved as %s.", path, facts.form, f"{facts.num_parameters:,}", output_dir)
    return facts


def inspect_upload(path: Path, *, expected: Expectation = Expectation(), limits: Limits = Limits()) -> ImportedModel:  # noqa: B008 frozen
    """Inspects an uploaded model without trying it out and without keeping a copy.

    Raises:
        UploadError: the upload is rejected at this point; the import checks more.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-look-") as scratch:
        folder = Path(scratch)
        uploaded_sha256 = take_snapshot(path, folder / "upload", limits)
        try:
            return facts_of(read_upload(folder, expected, limits), uploaded_sha256, None)
        except UploadError as error:
            raise UploadError(f"{path}: {error}") from None


def take_snapshot(path: Path, copy: Path, limits: Limits) -> str:
    """Copies the upload, so that the hashed file is the one that is read; returns its SHA-256.

    Raises:
        UploadError: the upload is missing, too large or unreadable.
    """
    digest, bytes_left = hashlib.sha256(), limits.max_bytes
    try:
        if not path.is_file():
            what = "a folder or special file" if path.exists() else "none"
            raise UploadError(f"An uploaded model must be a file; found {what} at {path}.")
        with path.open("rb") as source, copy.open("xb") as target:
            while chunk := source.read(_CHUNK_BYTES):
                bytes_left -= len(chunk)
                if bytes_left < 0:
                    raise UploadError(
                        f"An uploaded model must have at most {limits.max_bytes:,} bytes; {path} is "
                        "larger. Save it without its optimizer."
                    )
                digest.update(chunk)
                target.write(chunk)
    except OSError as error:
        raise UploadError(f"The uploaded model cannot be read from {path}: {error.strerror}.") from None
    return digest.hexdigest()


def read_stored(folder: Path, limits: Limits) -> Contents:
    """Reads the folder's file `upload` in a confined process, which writes the model's weights to weights.bin."""
    run_confined(
        inspection.MODULE,
        [str(folder / "upload"), json.dumps(asdict(limits))],
        Confinement(
            folder, limits.reader_memory_bytes, limits.reader_cpu_seconds, limits.max_bytes, limits.timeout_seconds
        ),
    )
    return read_contents(folder, limits)


def read_upload(folder: Path, expected: Expectation, limits: Limits) -> Plan:
    """Reads the file `upload` in the folder: writes its weights to weights.bin, and plans its network."""
    contents = read_stored(folder, limits)
    if contents.config is None:
        contents = architecture.complete(contents, expected.architecture, expected.image_size, folder, limits)
    plan = make_plan(contents, limits)
    write_plan(folder, contents, limits)
    return plan


def check_classes(output_shape: Shape, num_classes: int) -> None:
    """Requires a model that is used unchanged to have one output per class, or a single output for two classes.

    Raises:
        UploadError: the outputs do not match.
    """
    is_binary = num_classes == 2 and output_shape == (1,)
    if output_shape != (num_classes,) and not is_binary:
        gives = (
            f"a vector of {output_shape[0]:,} values"
            if len(output_shape) == 1
            else f"a map of the shape {output_shape}"
        )
        raise UploadError(
            f"A model that is used unchanged must output one value for each of the {num_classes} classes; "
            f"this one outputs {gives}. Replace its head (train.model.head=linear), or use a model for "
            "these classes."
        )


def _build(folder: Path, plan: Plan, limits: Limits) -> None:
    log.info(
        "Building %s layers with %s parameters in a confined process.",
        f"{len(plan.graph.layers):,}",
        f"{plan.sizes.num_parameters:,}",
    )
    run_confined(
        builder.MODULE,
        [],
        Confinement(
            folder,
            limits.builder_memory_bytes,
            limits.builder_cpu_seconds,
            2 * limits.max_bytes,
            limits.timeout_seconds,
        ),
    )
