"""The bodies of POST requests, including the values in the paths."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from components.contract.params.training import TrainParams
from components.contract.record import StrictRecord
from components.contract.validation_messages import fault


def _require_text(text: str) -> str:
    if not text.strip():
        raise fault("must not be empty")
    return text.strip()


Text = Annotated[str, AfterValidator(_require_text)]
"""Non-empty text without surrounding whitespace; it may contain file names that are not UTF-8."""


class Nothing(StrictRecord):
    """An empty body."""


class OnRevision(StrictRecord):
    """A change to the draft, which is rejected if the draft has changed since this revision."""

    revision: int


class ChosenData(OnRevision):
    """The address of the photos to use."""

    uri: Text


class NamedColumns(OnRevision):
    """The columns of a label file, by role."""

    columns: dict[str, Any]


class NewDataSet(OnRevision):
    """A data set to create."""

    name: Text


class Decisions(OnRevision):
    """The new class of each changed photo, by its path; null removes the photo."""

    decisions: dict[str, str | None]


class NewClass(StrictRecord):
    """A class to create."""

    name: Text


class ChangedClass(StrictRecord):
    """A class to rename or remove."""

    name: Text
    to: Text | None = None
    remove: bool = False


class DraftChange(OnRevision):
    """The params to set, and those to reset to their defaults, by dotted key."""

    set: dict[str, Any] = Field(default_factory=dict)
    unset: list[str] = Field(default_factory=list)


class DraftImport(OnRevision):
    """The text of a params file or a command."""

    text: str
    kind: Literal["file", "command"] = "file"


class NewJob(StrictRecord):
    """A job to start.

    Attributes:
        host: the address of Kubeflow Pipelines.
        rollout: the `<namespace>/<deployment>` to which a promoted model is rolled out; empty for no rollout.
    """

    kind: Literal["run", "rate", "submit"]
    host: str = ""
    rollout: str = ""


class JobAction(StrictRecord):
    """What to do with a job."""

    job: Text
    action: Literal["stop", "finish", "again"]


class Network(StrictRecord):
    """A list of layers, which may be invalid."""

    layers: Annotated[list[Any], Field(max_length=500)]
    batch_size: Annotated[int, Field(ge=1, default_factory=lambda: TrainParams().batch_size)]


class Backbones(StrictRecord):
    """Backbones to measure."""

    names: Annotated[list[str], Field(min_length=1)]


class Backbone(StrictRecord):
    """A backbone to package."""

    name: Text


class UploadedModel(StrictRecord):
    """An uploaded model file, and the network that its weights belong to; None if the file contains the network."""

    name: Text
    architecture: str | None = None


class RunNotes(StrictRecord):
    """The name and the notes of a run."""

    run: Text
    name: str = ""
    notes: str = ""


class ComparedRuns(StrictRecord):
    """Runs to compare."""

    runs: Annotated[list[str], Field(min_length=2)]


class Model(StrictRecord):
    """A finished model."""

    model: Text


class ModelFormat(Model):
    """A finished model, and the format to export it to."""

    format: Text
