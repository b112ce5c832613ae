"""Compares the outputs of imported copies with those of the original models."""

from pathlib import Path

import numpy as np


def compare(folder: Path) -> dict[str, float]:
    """Maps the name of each model to the largest difference between its outputs and those of its imported copy.

    The difference is relative to the model's largest output if that is above 1. The copy is evaluated twice: as
    imported, and flattened for further training.
    """
    import keras

    from components.train.keras_import.facts import read_import
    from components.train.keras_import.loading import cut, load, open_imported
    from components.train.keras_import.wiring import wire

    differences = {}
    for path in sorted(folder.glob("*.npz")):
        expected = np.load(path)
        model, facts = load(folder / path.stem), read_import(folder / path.stem)
        answers = np.asarray(model(expected["photos"], training=False))
        features = cut(model, facts.feature_layer)(expected["photos"], training=False)
        recorded_shape = next(layer.output_shape for layer in facts.layers if layer.name == facts.feature_layer)
        assert None in facts.input_shape or features.shape[1:] == recorded_shape, (path.stem, facts.feature_layer)
        assert answers.shape == expected["answers"].shape
        assert np.ptp(expected["answers"], axis=0).max() > 1e-3, f"the photos must have different outputs: {path.stem}"
        scale = max(1.0, float(np.abs(expected["answers"]).max()))
        with open_imported(folder / path.stem) as (plan, weights_path):
            start = keras.Input(expected["photos"].shape[1:], dtype=plan.graph.input_dtype)
            wired_model = wire(plan, weights_path, start, set(), as_it_is=False)
        flat = keras.Model(start, wired_model.output)
        assert not any(isinstance(layer, keras.Model) for layer in flat.layers), "submodels must be flattened"
        flat_answers = np.asarray(flat(expected["photos"], training=False))
        for copied_answers in (answers, flat_answers):
            difference = float(np.abs(copied_answers - expected["answers"]).max()) / scale
            differences[path.stem] = max(difference, differences.get(path.stem, 0.0))
    return differences
