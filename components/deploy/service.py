"""The BentoML service: photos in by HTTP, labels with their probabilities out.

It is packed into the bento together with the modules that it imports, and needs neither the network nor TensorFlow.
"""

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import bentoml
from starlette.requests import Request
from starlette.responses import JSONResponse

from components.contract.errors import ImageError
from components.deploy.batching import Batcher
from components.deploy.classifier import Classifier
from components.deploy.pages import pages
from components.deploy.protocol import Answer
from components.deploy.upload import RefusedUpload, read_photos

PACKED_DIR = Path(__file__).resolve().parents[2]
"""`src` of the built bento: service.json, export/, components/."""

MAX_BATCH_SIZE = 32
TIMEOUT_SECONDS = 60
OUR_FAULT = "internal"

log = logging.getLogger("bentoml.darkroom")
"""Below BentoML's own logger, which writes to standard output."""


class Upload(bentoml.IODescriptor):
    """The form that /predict takes."""

    files: list[Path]

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Self:
        """Reads the form ourselves: BentoML's reader fetches addresses, and answers a wrong field name with 500."""
        try:
            return cls.model_construct(files=await read_photos(request))
        except RefusedUpload as refused:
            return cls.model_construct(files=refused)


@bentoml.service(name="darkroom", traffic={"timeout": TIMEOUT_SECONDS})
@bentoml.asgi_app(pages, path="/")
class PhotoClassifier:
    """Decodes in threads, and sends the photos of one or several requests through the graph together."""

    def __init__(self) -> None:
        self.classifier = Classifier(PACKED_DIR)
        self.classifier.warm()
        self.probabilities = Batcher(self.classifier.classify, MAX_BATCH_SIZE)
        self.decoders = ThreadPoolExecutor(os.cpu_count(), "decode")
        pages.state.service, pages.state.facts = PhotoClassifier, self.classifier.facts

    @bentoml.api(route="/predict", input_spec=Upload, output_spec=Answer)
    async def predict(self, files: list[bytes] | RefusedUpload) -> JSONResponse:
        """Classifies one photo or several: multipart/form-data with the photos in the field `files`.

        The answer has one entry per file, in order: label, confidence and the probabilities of all classes, or what
        is wrong with that file.
        """
        if isinstance(files, RefusedUpload):
            return JSONResponse({"error": fault(files.code, str(files))}, files.status)
        predictions = await asyncio.gather(*(self._predict(data) for data in files))
        codes = {prediction["error"]["code"] if "error" in prediction else None for prediction in predictions}
        if None in codes:
            return JSONResponse({"model": self.classifier.facts.tag, "predictions": predictions})
        error = fault("no_photo", f"At least one file must be a usable photo; none of {len(files)} is.")
        return JSONResponse({"error": error, "predictions": predictions}, 500 if OUR_FAULT in codes else 400)

    async def _predict(self, data: bytes) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        try:
            pixels = await loop.run_in_executor(self.decoders, self.classifier.decode, data)
            ranked = self.classifier.ranked(await self.probabilities(pixels))
        except ImageError as error:
            return {"error": fault(error.code, str(error))}
        except Exception:
            # The other photos of the request, and of the batch, are answered all the same.
            log.exception("A photo could not be classified.")
            return {"error": fault(OUR_FAULT, "This photo could not be classified; the fault is the service's.")}
        label, confidence = ranked[0]
        probabilities = [{"label": name, "probability": value} for name, value in ranked]
        return {"label": label, "confidence": confidence, "probabilities": probabilities}


def fault(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}
