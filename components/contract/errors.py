"""Errors that the user can fix: one root error, and one subclass per kind of problem.

Every message states what is required, what was found, where, and what to do.
"""

from components.contract.text import printable


class DarkroomError(Exception):
    """An error that the user can fix; the command line prints its message and exits with code 2.

    Control characters in the message, for example from file names, are escaped here, so that it can be shown anywhere.
    """

    def __init__(self, message: str = ""):
        super().__init__(printable(message, lines=True))


class ParamsError(DarkroomError):
    """params.yaml, `--set` or `--params` contains something invalid."""


class DataError(DarkroomError):
    """The photos cannot be used: there are none or too few, or all are of one class."""


class ArchiveError(DataError):
    """An archive is damaged, of an unknown kind or too large, or has a member that is not allowed."""


class AuditError(DataError):
    """The audit has a finding whose policy in the params is `fail`."""


class ImageError(DarkroomError):
    """A file cannot be used as a photo.

    Attributes:
        code: the reason as one word, for manifests and JSON responses.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class ModelError(DarkroomError):
    """The model that params.yaml describes cannot be built, trained or exported."""


class LayerError(ModelError):
    """A layer cannot be used at its position in a list of layers.

    Attributes:
        position: the layer's index in the list, from 0; for an error about the end of the list, the last layer's index.
    """

    def __init__(self, message: str, position: int):
        super().__init__(message)
        self.position = position


class WeightsError(ModelError):
    """Pretrained weights are missing or belong to a different architecture."""


class UploadError(ModelError):
    """An uploaded model is rejected: it is damaged, unsafe, too large, or has unsupported parts."""


class SearchError(DarkroomError):
    """A search for the best params cannot start, or none of its trials finished."""


class ArtifactError(DarkroomError):
    """A folder that another step writes is missing or damaged, or has an unsupported format version."""


class TrackingError(DarkroomError):
    """The MLflow store cannot be reached or written."""


class ServiceError(DarkroomError):
    """The prediction service cannot start or does not answer correctly."""
