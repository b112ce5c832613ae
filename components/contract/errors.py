"""Errors that a user can fix: one root error, and one subclass per kind of problem.

Every message states what must hold, what was found, where, and what to do.
"""

from components.contract.text import printable


class DarkroomError(Exception):
    """An error that the user can fix; the command line prints it in one line and exits with 2.

    Names and texts of others in the message are made safe to show here, for every place that shows it.
    """

    def __init__(self, message: str = ""):
        super().__init__(printable(message, lines=True))


class ParamsError(DarkroomError):
    """params.yaml, `--set` or `--params` contains something invalid."""


class DataError(DarkroomError):
    """The photos as a whole cannot be used: missing, empty, one class only, too few."""


class ArchiveError(DataError):
    """An archive is broken, of an unknown kind, or tries to write outside its folder."""


class AuditError(DataError):
    """The audit found something for which the policy in the params is `fail`."""


class ImageError(DarkroomError):
    """One file is not a usable photo.

    Attributes:
        code: the reason in one word, for manifests and machine-readable answers.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class ModelError(DarkroomError):
    """The model that params.yaml describes cannot be built, trained or exported."""


class LayerError(ModelError):
    """A layer of a list is not possible in its place.

    Attributes:
        position: its place in the list, from 0; the last one if the list ends incorrectly.
    """

    def __init__(self, message: str, position: int):
        super().__init__(message)
        self.position = position


class WeightsError(ModelError):
    """Pretrained weights are missing or belong to another architecture."""


class UploadError(ModelError):
    """An uploaded model is refused: damaged, unsafe, too large, or with unsupported parts."""


class SearchError(DarkroomError):
    """A search for the best params cannot start, or none of its trials finished."""


class ArtifactError(DarkroomError):
    """A folder that a step should have written is missing, damaged or of another format version."""


class TrackingError(DarkroomError):
    """The MLflow store cannot be reached or written."""


class ServiceError(DarkroomError):
    """The prediction service cannot start or does not answer correctly."""
