"""The params file of a run is replaced in one step."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from components.contract.params.pipeline import Params, load_params
from pipelines.runners.run_params import write_params


def test_a_reader_never_sees_a_partial_params_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "params.yaml"
    params = load_params(None, ("data.uri=photos", "train.epochs=3"))
    write_params(path, params, "The first.")
    dump, seen = YAML.dump, []

    def look_meanwhile(yaml: YAML, tree: Any, file: Any) -> None:
        seen.append(load_params(path))
        dump(yaml, tree, file)
        seen.append(load_params(path))

    monkeypatch.setattr(YAML, "dump", look_meanwhile)
    changed: Params = params.model_copy(update={"train": params.train.model_copy(update={"epochs": 5})})
    write_params(path, changed, "The second.")
    assert seen == [params, params]
    assert load_params(path) == changed
    assert path.read_text().startswith("# The second.")
