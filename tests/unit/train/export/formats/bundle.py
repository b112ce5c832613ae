"""The bundle of a small untrained network."""

from pathlib import Path

import keras
import numpy as np

from components.contract.artifacts.bundle import ModelFacts
from components.contract.artifacts.dataset import DatasetInfo
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.system.atomic_files import write_json
from components.train.export.graph import export_network
from components.train.network.architecture import build_network
from tests.support.artifacts import CLASS_NAMES, make_bundle_info


def make_untrained_bundle(bundle_dir: Path, info: DatasetInfo) -> None:
    keras.utils.set_random_seed(1)
    layers = ({"Conv2D": {"filters": 4, "kernel_size": 3, "activation": "relu"}}, "GlobalAveragePooling2D")
    params = ModelParams(kind="layers", layers=tuple(map(parse_layer, layers)))
    network = build_network(params, image_size=info.image_size, num_classes=len(CLASS_NAMES), batch_size=8)
    facts = export_network(network, bundle_dir / "export", np.empty((0, *info.image_size, 3), np.uint8))
    network.model.save(bundle_dir / "model.keras")
    model = ModelFacts(
        kind="layers", name="small", num_parameters=0, num_trained_parameters=0, trained_layers=(), num_layers=2
    )
    write_json(bundle_dir / "bundle.json", make_bundle_info(info, model, facts))
