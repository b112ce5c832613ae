"""The types of the service's requests and answers; the schemas of the OpenAPI document are generated from them."""

from typing import Annotated, Final

from pydantic import Field

from components.contract.artifacts.bento import ServiceFacts
from components.contract.image.formats import FORMATS, MAX_PIXELS
from components.contract.inference.calibration import Abstention
from components.contract.inference.cam import Method
from components.contract.record import BaseRecord, StrictRecord

API_VERSION: Final = "1.0"
"""The first number is incremented when a response changes in a way that breaks clients."""
VERSION_PREFIX: Final = "/v1"
"""Every route is also available below this prefix."""

FIELD: Final = "files"
"""The form field of POST /predict that contains the photos."""
MAX_FILES: Final = 64
"""The maximum number of photos in one request."""
MAX_BODY_BYTES: Final = 64 * 2**20

Share = Annotated[float, Field(ge=0, le=1)]


class Options(BaseRecord):
    """The options in the query of a request."""

    top_k: int | None = Field(None, ge=1, le=100_000, description="Return only this many classes; default: all.")
    threshold: Share | None = Field(
        None, description="Abstain below this confidence; default: the threshold chosen by evaluation, if any."
    )
    class_name: str | None = Field(
        None, max_length=1000, description="For /explain: the class to explain; default: the most probable."
    )


class Probability(BaseRecord):
    """The probability of one class."""

    label: str
    probability: Share


class Prediction(BaseRecord):
    """The answer for one photo."""

    id: str = Field(description="Id of this prediction; `darkroom trace ID` shows the model, run and data behind it.")
    label: str = Field(description="The most probable class, even if the model abstains.")
    confidence: Share = Field(description="The label's probability; calibrated if `GET /model` has `calibrated: true`.")
    abstained: bool = Field(description="Whether the confidence is below the threshold: treat the label as a guess.")
    unfamiliar: float | None = Field(
        description="Distance from the training photos: above 1, the photo is farther from them than nearly all "
        "photos in the evaluation. null if evaluation did not measure it."
    )
    probabilities: tuple[Probability, ...] = Field(description="The classes, the most probable first; at most `top_k`.")


class Fault(BaseRecord):
    """An error and its reason."""

    code: str = Field(description="The reason as a code, such as `truncated`.")
    message: str


class Failure(BaseRecord):
    """The answer for one file that is not a usable photo."""

    error: Fault


class Answer(BaseRecord):
    """The answer to a request: one entry per file, in the order of the files."""

    model: str = Field(description="The bento that answered, as name:version.")
    predictions: tuple[Prediction | Failure, ...]


class Refusal(BaseRecord):
    """The answer to a request that is rejected, or contains no usable photo."""

    error: Fault
    predictions: tuple[Failure, ...] = Field((), description="The error of each file, if any files were sent.")


class Explanation(BaseRecord):
    """Which parts of a photo indicate a class."""

    model: str
    label: str = Field(description="The explained class.")
    probability: Share
    method: Method = Field(
        description="Class activation map: the output layer's weights applied to each position of the last feature "
        "map. Occlusion: how much the score of the class drops if a patch is covered."
    )
    overlay: str = Field(description="A PNG of the photo with the overlay, as a data URI.")


class Feedback(StrictRecord):
    """The correct label of a photo that was classified."""

    id: str = Field(max_length=100, description="The id of the prediction.")
    label: str = Field(max_length=1000, description="The class that the photo shows.")


class FeedbackAnswer(BaseRecord):
    """The feedback that was stored."""

    id: str
    label: str
    predicted: str = Field(description="The predicted class.")


class Sample(BaseRecord):
    """A sample photo on the page."""

    url: str
    class_name: str


class Limits(BaseRecord):
    """The limits of one request."""

    files: int = MAX_FILES
    body_bytes: int = MAX_BODY_BYTES
    pixels: int = Field(MAX_PIXELS, description="The maximum number of pixels per photo.")
    formats: tuple[str, ...] = FORMATS


class ModelCard(ServiceFacts):
    """The model: its classes, its metrics, and its origin."""

    api_version: str = API_VERSION
    explanation: Method = Field(description="The method of POST /explain.")
    temperature: float | None = Field(
        description="The logits are divided by this temperature; null if the model is not calibrated."
    )
    abstention: Abstention | None = Field(description="When the model abstains; null if the model is not calibrated.")
    predictions_logged: bool = Field(description="Whether summaries of predictions are stored; photos are not.")
    limits: Limits = Limits()
