"""The baseline of the benchmark serving.py: a minimal HTTP app with the service's decoder and inference graph.

BENTO_SRC=<bento>/src python -m uvicorn benchmarks.bare_app:app
"""

import os
from pathlib import Path

import numpy as np
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from components.deploy.service.classifier import Classifier

classifier = Classifier(Path(os.environ["BENTO_SRC"]))
classifier.warm()


async def predict(request: Request) -> JSONResponse:
    """Classifies one photo in the field `files`, in the event loop and without any checks."""
    async with request.form() as form:
        upload = form["files"]
        assert isinstance(upload, UploadFile), "the field `files` must contain a file"
        pixels = classifier.decode(await upload.read())
    ranked = classifier.rank_classes(classifier.classify(pixels[np.newaxis])[0])
    return JSONResponse({"predictions": [{"label": ranked[0][0], "probabilities": ranked}]})


app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
