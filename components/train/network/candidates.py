"""Inspects the models that the params name: one initial model, or the candidates of `train.model.name: auto`."""

import logging
from pathlib import Path

from components.contract.errors import ParamsError, WeightsError
from components.contract.layers.backbones import BACKBONES
from components.contract.params.model import Head, ModelParams
from components.contract.params.pipeline import Params
from components.contract.params.probing import is_probed
from components.contract.params.resolve import InitialModelFacts
from components.contract.validation_messages import suggestion
from components.train.network.initial_model import inspect_model

log = logging.getLogger(__name__)


def inspect_candidate(candidate: str, head: Head | None) -> tuple[ModelParams, InitialModelFacts | None]:
    """Returns the model params for a candidate (a backbone, a weights file or a model file), and facts if it is a file.

    Raises:
        UploadError: the safe import rejects the file.
        ModelError: the pixel range of the network is unknown.
    """
    if candidate in BACKBONES:
        return ModelParams(kind="pretrained", name=candidate, head=head), None  # type: ignore[arg-type]
    if Path(candidate).suffix in (".h5", ".hdf5"):
        try:
            return inspect_model(ModelParams(kind="pretrained", weights=candidate, head=head))
        except WeightsError as error:
            log.debug("%s does not contain the weights of a known network: %s", candidate, error)
    return inspect_model(ModelParams(kind="upload", path=candidate, head=head or "linear"))


def _inspect_candidates(model: ModelParams) -> tuple[ModelParams, InitialModelFacts | None]:
    """Makes the paths of the candidates absolute, and finds the largest image size that they need."""
    candidates, sizes = [], []
    for candidate in model.candidates or ():
        if candidate in BACKBONES:
            candidates.append(candidate)
            continue
        path = Path(candidate).expanduser().absolute()
        if not path.is_file():
            raise ParamsError(
                "train.model.candidates must be backbones, weights files or model files; there is no backbone or "
                f"file {candidate}{suggestion(candidate, BACKBONES)}."
            )
        candidates.append(str(path))
        candidate_model, facts = inspect_candidate(str(path), model.head)
        is_backbone = candidate_model.name in BACKBONES
        usual_size = BACKBONES[str(candidate_model.name)].size if is_backbone else facts.usual_size if facts else 0
        sizes.append(max(facts.image_size) if facts and facts.image_size else usual_size)
    if not sizes:
        return model, None
    facts = InitialModelFacts(display_name="the candidates", image_size=None, usual_size=max(sizes), features=None)
    return model.model_copy(update={"candidates": tuple(dict.fromkeys(candidates))}), facts


def inspect_initial_model(params: Params) -> tuple[Params, InitialModelFacts | None]:
    """Inspects the initial model, or the candidates, that the train section names; see `inspect_model`."""
    inspect = _inspect_candidates if is_probed(params.train) else inspect_model
    model, given_model = inspect(params.train.model)
    return params.model_copy(update={"train": params.train.model_copy(update={"model": model})}), given_model
