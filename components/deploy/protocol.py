"""What the service takes and what it answers: the service, its OpenAPI document and its client agree on this."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

FIELD: Final = "files"
"""The form field of POST /predict that holds the photos."""
MAX_FILES: Final = 64
"""Photos in one request."""
MAX_BODY_BYTES: Final = 128 * 2**20

Share = Annotated[float, Field(ge=0, le=1)]


class Probability(BaseModel):
    """How probable one class is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    probability: Share


class Prediction(BaseModel):
    """The answer for one photo."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    confidence: Share
    probabilities: tuple[Probability, ...] = Field(description="All classes, the most probable first.")


class Fault(BaseModel):
    """What was wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(description="The reason in one word.")
    message: str


class Failure(BaseModel):
    """The answer for one file that is no usable photo."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: Fault


class Answer(BaseModel):
    """One entry per file, in the order of the files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(description="The tag of the bento that answered.")
    predictions: tuple[Prediction | Failure, ...]


class Refusal(BaseModel):
    """The answer to a request of which nothing could be used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: Fault
    predictions: tuple[Failure, ...] = Field((), description="What is wrong with each file, where there were files.")
