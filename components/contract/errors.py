"""What a user can fix: one root error, one child per thing that can be wrong.

Every message says what must hold, what was found, where, and what to do.
"""

from components.contract.text import printable


class DarkroomError(Exception):
    """Something that the user can fix; the command line prints it in one line and exits with 2.

    Names and texts of others in the message are made safe to show here, for every place that shows it.
    """

    def __init__(self, message: str = ""):
        super().__init__(printable(message, lines=True))


class ParamsError(DarkroomError):
    """params.yaml, `--set` or `--params` holds something that cannot be."""


class DataError(DarkroomError):
    """The photos as a whole cannot be used: missing, empty, one class only, too few."""


class ArchiveError(DataError):
    """An archive is broken, of an unknown kind, or tries to write outside its folder."""


class AuditError(DataError):
    """The audit found what the params call a failure."""


class ImageError(DarkroomError):
    """One file is no usable photo.

    Attributes:
        code: the reason in one word, for manifests and machine-readable answers.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class ModelError(DarkroomError):
    """The model that params.yaml describes cannot be built, trained or exported."""


class LayerError(ModelError):
    """A layer of a list cannot stand where it stands.

    Attributes:
        position: its place in the list, from 0; of a list that ends wrongly, that of the last one.
    """

    def __init__(self, message: str, position: int):
        super().__init__(message)
        self.position = position


class WeightsError(ModelError):
    """Pretrained weights are missing or belong to another architecture."""


class UploadError(ModelError):
    """An uploaded model is refused: damaged, unsafe, too large, or made of what Darkroom does not know."""


class SearchError(DarkroomError):
    """A search for the best params cannot begin, or none of its trials came to an end."""


class ArtifactError(DarkroomError):
    """A folder that a step should have written is missing, damaged or of another format version."""


class TrackingError(DarkroomError):
    """The MLflow store cannot be reached or written."""


class ServiceError(DarkroomError):
    """The prediction service cannot start or does not answer as it must."""
