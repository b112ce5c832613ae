"""The BentoML service: classifies photos over HTTP.

It is packed into the bento with the modules that it imports, and requires neither network access nor TensorFlow.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import bentoml
import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from components.contract.errors import ImageError
from components.contract.inference.cam import Explainer, Heat
from components.contract.pages.pictures import data_uri
from components.contract.system.cores import num_cores
from components.contract.text import escape_log_records
from components.deploy.service.batching import Batcher
from components.deploy.service.classifier import Classifier, Finding
from components.deploy.service.decoding import DecodedPhoto, Decoder
from components.deploy.service.fair_queue import Share
from components.deploy.service.gateway.connections import install
from components.deploy.service.gateway.middleware import GatewayMiddleware
from components.deploy.service.gateway.upload import RefusedUpload, UploadRequest, read_request
from components.deploy.service.inference_protocol.tensors import Inference
from components.deploy.service.metrics import instruments
from components.deploy.service.overlay import display_size, draw_overlay
from components.deploy.service.pages import pages
from components.deploy.service.predictions.prediction_id import new_id
from components.deploy.service.predictions.prediction_log import LoggedPrediction, brightness, open_log, pack
from components.deploy.service.protocol import Answer, Explanation, Options
from components.deploy.service.responses import fault, log_request, model_card, respond_refusal
from components.deploy.service.settings import read_settings

PACKED_DIR = Path(__file__).resolve().parents[3]
"""`src` of the built bento: service.json, export/, samples/, components/."""

MAX_BATCH_SIZE = 4
"""On a CPU, larger batches are no faster per photo, delay the photos that wait behind them, and need more memory."""
MAX_LANES = 4
"""The maximum number of batches that run in parallel; each needs memory for the outputs of the layers."""
TIMEOUT_SECONDS = 60
MAX_WAIT_SECONDS = 2.0
"""Requests whose photos would wait longer for the graph are rejected with status 503."""
MIN_WAITING = 64
"""A request is always accepted if at most this many photos, including its own, are waiting; no request has more."""
MAX_IN_FLIGHT = 16
"""The maximum number of photos in progress per request; its other photos wait in encoded form, to save memory."""
STUCK_SECONDS = 20.0
"""A batch that takes this long is stuck: the service reports that it is not ready and, later, not alive."""
OUR_FAULT = "internal"

log = logging.getLogger("bentoml.darkroom")
"""A child of BentoML's logger, which writes to standard output."""
escape_log_records()


class Upload(bentoml.IODescriptor):
    """The input of /predict and /explain."""

    files: list[Path]

    @classmethod
    async def from_http_request(cls, request: Request, _serde: Any) -> Self:
        """Reads the request; BentoML's own reader would fetch URLs, and return status 500 for a wrong field name."""
        wants_picture = "image/png" in request.headers.get("accept", "")
        try:
            return cls.model_construct(files=(await read_request(request), wants_picture))
        except RefusedUpload as refused:
            return cls.model_construct(files=(refused, wants_picture))


@bentoml.service(
    name="darkroom",
    traffic={"timeout": TIMEOUT_SECONDS},
    logging={"access": {"enabled": False}},  # log_request logs each request with its predictions
    metrics={"enabled": False},  # metrics.py replaces them
    tracing={"excluded_urls": "."},  # all URLs: without a collector, tracing would only cost a millisecond per request
)
@bentoml.asgi_app(pages, path="/")
class PhotoClassifier:
    """Decodes photos in threads, and classifies the photos from several requests in shared batches."""

    def __init__(self) -> None:
        settings = read_settings()
        num_lanes = min(num_cores(), MAX_LANES)
        self.classifier = Classifier(PACKED_DIR, num_lanes)
        self.classifier.warm(MAX_BATCH_SIZE)
        self.explainer = Explainer(self.classifier.graph)
        self.findings = Batcher(self._examine, MAX_BATCH_SIZE, num_lanes)
        self.decoder = Decoder(lambda *photo: self.classifier.open(*photo), num_cores(), settings.decode_mb * 2**20)
        self.prediction_log = open_log(settings)
        self.shares: set[Share] = set()
        self.version = self.classifier.facts.tag.partition(":")[2]
        pages.state.service, pages.state.samples_dir = PhotoClassifier, PACKED_DIR / "samples"
        pages.state.predictor = self
        pages.state.card = model_card(self.classifier, self.explainer, logs_predictions=self.prediction_log is not None)

    @bentoml.api(route="/predict", input_spec=Upload, output_spec=Answer)
    async def predict(self, files: tuple[UploadRequest | RefusedUpload, bool]) -> Response:
        """Classifies photos: a multipart form with the photos in the field `files`, or one photo as the body.

        The answer has one entry per file, in order: label, confidence and the probabilities of all classes, or
        the error of that file.
        """
        start_time = time.perf_counter()
        upload_or_refusal, _ = files
        try:
            with self._accept(upload_or_refusal) as (upload, share):
                predictions = await self._predict_all(upload, share)
        except RefusedUpload as refused:
            return respond_refusal(refused)
        log_request("predict", predictions, time.perf_counter() - start_time)
        codes = {prediction["error"]["code"] if "error" in prediction else None for prediction in predictions}
        if None in codes:
            return JSONResponse({"model": self.classifier.facts.tag, "predictions": predictions})
        error = fault("no_photo", f"At least one file must be a usable photo; usable files: 0 of {len(upload.photos)}.")
        return JSONResponse({"error": error, "predictions": predictions}, 500 if OUR_FAULT in codes else 400)

    @bentoml.api(route="/explain", input_spec=Upload, output_spec=Explanation)
    async def explain(self, files: tuple[UploadRequest | RefusedUpload, bool]) -> Response:
        """Shows which parts of a photo indicate a class: as JSON or, with `Accept: image/png`, as a picture only."""
        upload_or_refusal, wants_picture = files
        try:
            with self._accept(upload_or_refusal) as (upload, share):
                return await self._explain(upload, share, wants_picture=wants_picture)
        except RefusedUpload as refused:
            return respond_refusal(refused)
        except ImageError as error:
            return JSONResponse({"error": fault(error.code, str(error)), "predictions": []}, 400)
        except Exception:
            log.exception("A photo could not be explained.")
            text = "This photo could not be explained because of an internal error."
            return JSONResponse({"error": fault(OUR_FAULT, text), "predictions": []}, 500)

    async def infer(self, inference: Inference) -> list[dict[str, Any]]:
        """Classifies the photos of an Open Inference Protocol request."""
        start_time = time.perf_counter()
        with self._accept(UploadRequest(inference.photos, Options())) as (upload, share):
            predictions = await self._predict_all(upload, share)
        log_request("infer", predictions, time.perf_counter() - start_time)
        return predictions

    def __is_ready__(self) -> bool:
        """Whether the service can answer: the graph is loaded, warmed up, and not stuck in a batch."""
        return self.findings.busy_seconds < STUCK_SECONDS

    def __is_alive__(self) -> bool:
        """Whether the service may become ready again without a restart."""
        return self.findings.busy_seconds < 3 * STUCK_SECONDS

    @bentoml.on_shutdown
    def _drain(self) -> None:
        if self.prediction_log is not None:
            self.prediction_log.close()

    @contextlib.contextmanager
    def _accept(self, upload: UploadRequest | RefusedUpload) -> Iterator[tuple[UploadRequest, Share]]:
        """Registers a request; rejects it if its photos would wait too long."""
        if isinstance(upload, RefusedUpload):
            raise upload
        # In the fair queue, at most `num_photos` photos of each other request come before the photos of this request.
        num_photos = len(upload.photos)
        num_waiting = num_photos + sum(min(other.num_waiting, num_photos) for other in self.shares)
        if num_waiting > MIN_WAITING and num_waiting * self.findings.seconds_per_photo > MAX_WAIT_SECONDS:
            raise RefusedUpload(
                503,
                "overloaded",
                "The service has too many photos to classify this request in time; try again in a moment.",
            )
        share = Share(num_waiting=num_photos)
        self.shares.add(share)
        try:
            yield upload, share
        finally:
            self.shares.discard(share)

    async def _predict_all(self, upload: UploadRequest, share: Share) -> list[dict[str, Any]]:
        in_flight = asyncio.Semaphore(MAX_IN_FLIGHT)

        async def predict(data: bytes | np.ndarray) -> dict[str, Any]:
            async with in_flight:
                prediction = await self._predict(data, upload.options, share)
            share.num_waiting -= 1
            return prediction

        tasks = [asyncio.ensure_future(predict(data)) for data in upload.photos]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:  # in case the whole request is rejected
                task.cancel()

    async def _predict(self, data: bytes | np.ndarray, options: Options, share: Share) -> dict[str, Any]:
        try:
            pixels = data if isinstance(data, np.ndarray) else (await self._decode(data, share)).pixels
            finding = await self.findings(pixels, share)
            ranking = self.classifier.rank_classes(finding.probabilities)
        except ImageError as error:
            instruments().broken_photos.labels(error.code).inc()
            return {"error": fault(error.code, str(error))}
        except RefusedUpload:
            raise
        except Exception:
            # The other photos in the request and in the batch still get an answer.
            log.exception("A photo could not be classified.")
            return {"error": fault(OUR_FAULT, "This photo could not be classified because of an internal error.")}
        label, confidence = ranking[0]
        prediction = {
            "id": new_id(self.version),
            "label": label,
            "confidence": confidence,
            "abstained": self.classifier.abstains(finding.probabilities, options.threshold),
            "unfamiliar": finding.unfamiliar,
            "probabilities": [{"label": name, "probability": value} for name, value in ranking[: options.top_k]],
        }
        self._note(prediction, finding, pixels)
        return prediction

    async def _decode(self, data: bytes, share: Share) -> DecodedPhoto:
        photo = await self.decoder(data, share)
        instruments().decode_seconds.observe(photo.decode_seconds)
        if photo.clipped_share:
            instruments().clipped_photos.inc()
            log.info(
                "Clipped %.1f %% of the values of a 16-bit photo: they are outside the model's pixel range, %d to %d.",
                100 * photo.clipped_share,
                *self.classifier.facts.pixel_range,
            )
        return photo

    def _examine(self, pixels: np.ndarray, alone: bool) -> list[Finding]:
        instruments().batch_size.observe(len(pixels))
        with instruments().graph_seconds.time():
            return self.classifier.examine(pixels, alone)

    async def _explain(self, upload: UploadRequest, share: Share, *, wants_picture: bool) -> Response:
        if len(upload.photos) != 1:
            raise RefusedUpload(400, "one_photo", f"/explain requires exactly one photo; found {len(upload.photos)}.")
        names, class_name = self.classifier.facts.class_names, upload.options.class_name
        if class_name is not None and class_name not in names:
            raise RefusedUpload(
                400,
                "bad_option",
                f"class_name must be one of the classes in GET /model; found {class_name[:100]!r}.",
            )
        facts = self.classifier.facts
        (data,) = upload.photos
        assert isinstance(data, bytes), "/explain must receive the content of a file, not pixels"
        photo = await self._decode(data, share)
        probabilities = (await self.findings(photo.pixels, share)).probabilities
        self.classifier.rank_classes(probabilities)  # raises an error if they are not finite
        label = int(probabilities.argmax()) if class_name is None else names.index(class_name)
        heat: Heat = await self.findings.apart(lambda: self.explainer.explain(photo.pixels, label))
        size = display_size(facts.image_size, photo.native_size, facts.resize)
        picture = await asyncio.to_thread(draw_overlay, photo.pixels, heat.values, size)
        if wants_picture:
            return Response(picture, media_type="image/png", headers={"Darkroom-Method": heat.method})
        return JSONResponse(
            {
                "model": self.classifier.facts.tag,
                "label": names[label],
                "probability": round(float(probabilities[label]), 7),
                "method": heat.method,
                "overlay": data_uri("png", picture),
            }
        )

    def _note(self, prediction: dict[str, Any], finding: Finding, pixels: np.ndarray) -> None:
        metrics = instruments()
        metrics.predictions.labels(prediction["label"]).inc()
        metrics.confidence.observe(prediction["confidence"])
        if prediction["abstained"]:
            metrics.abstentions.inc()
        if finding.unfamiliar is not None and finding.unfamiliar > 1:
            metrics.unfamiliar_photos.inc()
        if self.prediction_log is not None and self.prediction_log.wants_next():
            fields = {name: value for name, value in prediction.items() if name != "probabilities"}
            self.prediction_log.add(
                LoggedPrediction(
                    time=datetime.now(UTC),
                    bento=self.classifier.facts.tag,
                    brightness=brightness(pixels),
                    embedding=pack(finding.embedding),
                    **fields,
                )
            )


PhotoClassifier.add_asgi_middleware(  # type: ignore[attr-defined]  # the decorator makes it a bentoml.Service
    GatewayMiddleware, settings=read_settings
)
install()  # must run before BentoML starts uvicorn
