"""Resolves params for a cluster before submission, without the data, which this machine may be unable to access."""

import logging
from typing import TYPE_CHECKING

from components.contract.errors import ParamsError
from components.contract.layers.backbones import BACKBONES
from components.contract.params.resolve import Resolution, resolve
from components.contract.system.address import MASK
from pipelines.runners.cluster.data_revision import resolve_revision

if TYPE_CHECKING:
    from components.contract.params.model import ModelParams
    from components.contract.params.pipeline import Params

log = logging.getLogger(__name__)


def resolve_for_cluster(params: "Params", *, on_volume: bool) -> Resolution:
    """Resolves every `auto` of the params.

    Args:
        params: the unresolved params; values that depend on the data must be set.
        on_volume: whether a volume is mounted at /data.

    Raises:
        ParamsError: the cluster cannot access the data or a model, or a value is missing.
    """
    uri = resolve_revision(params.data.uri)
    if "://" not in uri and not (on_volume and uri.startswith("/data/")):
        raise ParamsError(
            "On a cluster, the photos must be at an address that it can reach (s3://…, "
            "dvc+<repository>@<revision>:<path>), or on a volume: --data-claim NAME and --data /data/…; "
            f"found {uri}."
        )
    missing_keys = [
        key
        for key, value in (
            ("preprocess.image_size", params.preprocess.image_size),
            ("deploy.model_name", params.deploy.model_name),
        )
        if value == "auto"
    ]
    if missing_keys:
        raise ParamsError(
            f"Set {' and '.join(missing_keys)}, because {uri} is not read before the submission: "
            f"{' '.join(f'--set {key}=…' for key in missing_keys)}"
        )
    if MASK in uri:
        log.warning(
            "The address of the data contains a secret, but everyone who can see a run in Kubeflow Pipelines can see "
            "its parameters. Therefore, the address is submitted as %s. Write the full address to a file, and create a "
            "secret from it in the namespace of the pipelines; only the preprocess task reads the secret: "
            "kubectl create secret generic darkroom-data --from-file=address=FILE",
            uri,
        )
    _require_reachable_model(params.train.model, on_volume=on_volume)
    params = params.model_copy(update={"data": params.data.model_copy(update={"uri": uri})})
    return resolve(params, native_size=params.preprocess.size, data_name=params.deploy.model_name)


def _require_reachable_model(model: "ModelParams", *, on_volume: bool) -> None:
    """Rejects a model file that tasks on a cluster would not find."""
    for candidate in () if on_volume else model.candidates or ():
        if candidate not in BACKBONES:
            raise ParamsError(
                f"On a cluster, train.model.candidates must be backbones, or files on a volume; found {candidate}."
            )
    files = {"path": model.path, "weights": None if model.weights in ("imagenet", "none") else model.weights}
    if model.from_ is not None and "@" not in model.from_ and "/" in model.from_:
        files["from"] = model.from_
    for key, path in files.items():
        if path is not None and not (on_volume and path.startswith("/data/")):
            raise ParamsError(
                f"On a cluster, train.model.{key} must be on a volume: --data-claim NAME and a path that "
                f"begins with /data/; found {path}. For an earlier model, you can also use the name in "
                "MLflow's registry: train.model.from=name@champion."
            )
