"""The safe way of a model that a user brings: from a file that may be anything to our own copy.

Nothing of the upload is given to Keras' loaders, to pickle or to eval. The file is copied and hashed; a confined
process turns its weights into plain numbers; its description is checked word by word against an allow-list; a second
confined process builds that network by Keras' constructors, gives it the numbers, tries it on black photos and noise,
and saves it anew. Only that copy is used from then on.
"""

import hashlib
import logging
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict

from components.contract.errors import ModelError, UploadError
from components.contract.outputs import new_folder, read_json, write_json
from components.train.imported import architecture, builder, reader
from components.train.imported.confinement import Confinement, run_confined
from components.train.imported.limits import Limits
from components.train.imported.plan import Output, Plan, make_plan, read_contents, write_plan
from components.train.imported.preprocessing import Preprocessing, infer_preprocessing

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

_CHUNK_BYTES: Final = 2**20


class ImportedModel(BaseModel):
    """What import.json holds beside model.keras.

    Attributes:
        form: how the upload was packed.
        keras_version: that wrote it, as far as it says.
        input_shape: (height, width, channels); None where a size is open.
        input_dtype: of the tensor that it takes.
        output_shape: for one photo; of a photo of 224 px where the size is open.
        num_outputs: how many values it gives a photo; None where it gives a map, as a network without head.
        output: softmax and sigmoid are probabilities; values may be logits; features are a map.
        num_layers: with those of submodels.
        layer_names: of the outermost network, in order; each can be taken as features.
        num_parameters: of the network.
        preprocessing: what its photos must be, and why; None where it does not tell, and must be asked for.
        uploaded_sha256: of the file that was brought.
        model_sha256: of our own copy, model.keras.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    form: str
    keras_version: str
    input_shape: tuple[int | None, int | None, int | None]
    input_dtype: str
    output_shape: tuple[int, ...]
    num_outputs: int | None
    output: Output
    num_layers: int
    layer_names: tuple[str, ...]
    num_parameters: int
    preprocessing: Preprocessing | None
    uploaded_sha256: str
    model_sha256: str


class Report(BaseModel):
    """Whether an upload is taken, and why.

    Attributes:
        accepted: whether `import_model` would take it.
        reason: why not; None where it is taken.
        model: what it is; None where it is not taken.
        seconds: that the check took.
    """

    model_config = ConfigDict(frozen=True)

    accepted: bool
    reason: str | None
    model: ImportedModel | None
    seconds: float


@dataclass(frozen=True)
class Expectation:
    """What the upload must be to be of use.

    Attributes:
        num_classes: it is used as it is, and must give as many probabilities or logits; None where its head is
            replaced.
        architecture: of keras.applications, for a file of weights only.
        image_size: (height, width) in pixels that an architecture is built for; None for its own.
    """

    num_classes: int | None = None
    architecture: str | None = None
    image_size: tuple[int, int] | None = None


def import_model(
    path: Path, output_dir: Path, *, expected: Expectation = Expectation(), limits: Limits = Limits()  # noqa: B008 frozen
) -> ImportedModel:  # fmt: skip
    """Takes a model that a user brings.

    Args:
        path: a .keras file, an HDF5 file of a whole model or of weights, or a zip that holds one of these.
        output_dir: made anew, whole or not at all:
            model.keras     our own copy, which `load` reads
            import.json     ImportedModel
        expected: what it must be.
        limits: how large it may be.

    Raises:
        UploadError: it is refused; the text says why, where, and what to do. Nothing is left behind.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-upload-") as scratch:
        folder = Path(scratch)
        uploaded_sha256 = _snapshot(path, folder / "upload", limits)
        try:
            plan = _read(folder, expected, limits)
            _check_classes(plan, expected)
            _build(folder, plan, limits)
        except UploadError as error:
            raise UploadError(f"{path}: {error}") from None
        with new_folder(output_dir) as output:
            shutil.copyfile(folder / "model.keras", output / "model.keras")
            facts = _facts(plan, uploaded_sha256, _sha256(output / "model.keras"))
            write_json(output / "import.json", facts)
    log.info("Took %s: %s, %s parameters, now %s.", path, facts.form, f"{facts.num_parameters:,}", output_dir)
    return facts


def check_model(
    path: Path, *, expected: Expectation = Expectation(), limits: Limits = Limits()  # noqa: B008 frozen
) -> Report:  # fmt: skip
    """Whether `import_model` would take a file, and why not; nothing stays."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="darkroom-check-") as scratch:
        try:
            model = import_model(path, Path(scratch) / "model", expected=expected, limits=limits)
            return Report(accepted=True, reason=None, model=model, seconds=time.monotonic() - started)
        except ModelError as error:
            return Report(accepted=False, reason=str(error), model=None, seconds=time.monotonic() - started)


def read_import(imported_dir: Path) -> ImportedModel:
    """What import.json says.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    return read_json(imported_dir / "import.json", ImportedModel, "imported model")


def load(imported_dir: Path) -> "keras.Model":
    """The network of a folder that `import_model` wrote, built by our own constructors once more.

    Raises:
        ArtifactError: import.json is missing or damaged.
        UploadError: model.keras is not the file that was written.
    """
    facts = read_import(imported_dir)
    path = imported_dir / "model.keras"
    if _sha256(path) != facts.model_sha256:
        raise UploadError(f"{path} must be the copy that was checked; it was changed since. Import the model again.")
    with tempfile.TemporaryDirectory(prefix="darkroom-upload-") as scratch:
        folder = Path(scratch)
        limits = Limits()
        shutil.copyfile(path, folder / "upload")
        plan = _read(folder, Expectation(), limits)
        return builder.assembled(plan, folder / "weights.bin")


def _snapshot(path: Path, copy: Path, limits: Limits) -> str:
    """Copies the upload, so that what is hashed is what is read; gives its SHA-256."""
    if not path.is_file():
        raise UploadError(f"An uploaded model must be a file; there is none at {path}.")
    digest, left = hashlib.sha256(), limits.max_bytes
    try:
        with path.open("rb") as source, copy.open("xb") as target:
            while chunk := source.read(_CHUNK_BYTES):
                left -= len(chunk)
                if left < 0:
                    raise UploadError(f"An uploaded model must have at most {limits.max_bytes:,} bytes; {path} has "
                                      "more. Save it without its optimizer.")  # fmt: skip
                digest.update(chunk)
                target.write(chunk)
    except OSError as error:
        raise UploadError(f"An uploaded model must be readable; {path} is not: {error.strerror}.") from None
    return digest.hexdigest()


def _read(folder: Path, expected: Expectation, limits: Limits) -> Plan:
    """Reads `upload` in the folder: its weights go to weights.bin, its network into a plan."""
    arguments = [str(folder / "upload"), str(limits.max_bytes), str(limits.max_config_bytes)]
    run_confined(reader.MODULE, arguments, Confinement(
        folder, limits.reader_memory_bytes, limits.reader_cpu_seconds, limits.max_bytes, limits.timeout_seconds
    ))  # fmt: skip
    contents = read_contents(folder, limits)
    if contents.config is None:
        contents = architecture.complete(contents, expected.architecture, expected.image_size, folder, limits)
    plan = make_plan(contents, limits)
    write_plan(folder, contents, limits)
    return plan


def _check_classes(plan: Plan, expected: Expectation) -> None:
    found = plan.sizes.output_shape
    if expected.num_classes is not None and found != (expected.num_classes,):
        gives = f"{found[0]} values" if len(found) == 1 else f"a map of {found}"
        raise UploadError(f"A model that is used as it is must give one value for each of the {expected.num_classes} "
                          f"classes; this one gives {gives}. Let its head be replaced, or bring one for these "
                          "classes.")  # fmt: skip


def _build(folder: Path, plan: Plan, limits: Limits) -> None:
    log.info("Building %s layers with %s parameters, confined.", f"{len(plan.graph.layers):,}",
             f"{plan.sizes.num_parameters:,}")  # fmt: skip
    run_confined(builder.MODULE, [], Confinement(
        folder, limits.builder_memory_bytes, limits.builder_cpu_seconds, 2 * limits.max_bytes, limits.timeout_seconds
    ))  # fmt: skip


def _facts(plan: Plan, uploaded_sha256: str, model_sha256: str) -> ImportedModel:
    height, width, channels = plan.graph.input_shape or plan.sizes.input_shape
    shape = plan.sizes.output_shape
    return ImportedModel(
        form=plan.contents.form, keras_version=plan.contents.keras_version, input_shape=(height, width, channels),
        input_dtype=plan.graph.input_dtype, output_shape=shape, num_outputs=shape[0] if len(shape) == 1 else None,
        output=plan.output, num_layers=plan.graph.num_layers,
        layer_names=tuple(layer.name for layer in plan.graph.layers), num_parameters=plan.sizes.num_parameters,
        preprocessing=infer_preprocessing(plan.graph), uploaded_sha256=uploaded_sha256, model_sha256=model_sha256,
    )  # fmt: skip


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
