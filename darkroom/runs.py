"""Runs the whole pipeline, and reads its results."""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darkroom.classifier import Classifier, load

log = logging.getLogger("darkroom")


@dataclass(frozen=True)
class Run:
    """A finished pipeline run. Where Python expects a path, a run can be passed instead of its folder.

    Attributes:
        path: the folder of the run, which contains dataset/, model/, evaluation/, bento/ and summary.json.
    """

    path: Path

    def __fspath__(self) -> str:
        """Returns the path of the folder."""
        return str(self.path)

    @property
    def id(self) -> str:
        """The run id, which all commands accept."""
        return self.path.name

    @property
    def summary(self) -> dict[str, Any]:
        """All results: the content of summary.json."""
        summary: dict[str, Any] = json.loads((self.path / "summary.json").read_text(encoding="utf-8"))
        return summary

    @property
    def metrics(self) -> dict[str, float]:
        """Accuracy and macro F1 on the validation and the test photos, keyed by names such as `test/accuracy`."""
        summary = self.summary
        return {
            f"{split}/{name}": summary[split][name]["value"]
            for split in ("validation", "test")
            for name in ("accuracy", "macro_f1")
        }

    @property
    def report(self) -> Path:
        """The path of the evaluation report, an HTML page."""
        return self.path / "evaluation" / "report.html"

    @property
    def promoted(self) -> bool:
        """Whether the model was promoted to champion."""
        return bool(self.summary["promoted"])

    def classifier(self) -> Classifier:
        """Loads the classifier, which makes the same predictions as the service of this run."""
        return load(self)


def run(data: str | os.PathLike[str], *, params_file: str | os.PathLike[str] | None = None, **params: Any) -> Run:
    """Runs the whole pipeline on photos: preprocess, tune, train, evaluate, deploy.

    Results are written to `runs/` in the working folder. The steps log to the logger `darkroom`.

    Args:
        data: a folder with one folder per class, an archive, a table of photos and labels, or a URL.
        params_file: a params.yaml; None for the defaults.
        params: params by section, as in params.yaml: `train={"epochs": 5, "model": {"name": "Xception"}}`. A dotted
            name has the same effect: `**{"train.epochs": 5}`.

    Returns:
        The finished run.

    Raises:
        DarkroomError: an error that you can fix, in the data, the params or the environment.
    """
    from components.contract.errors import ParamsError
    from components.contract.system.program import QUIET
    from pipelines.run_options import read_params, resolve_params
    from pipelines.runners import local

    settings = [setting for name, value in params.items() for setting in _flatten(name, value)]
    settings.append(f"data.uri={json.dumps(os.fspath(data), ensure_ascii=False)}")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        unresolved = read_params(None, Path(params_file) if params_file is not None else None, settings)
    except ParamsError as error:
        raise ParamsError(str(error).replace("params with --set: ", "").replace(" with --set: ", ": ")) from None
    resolution = resolve_params(unresolved)
    for line in (*resolution.data, *resolution.decisions):
        log.info("%s", line)
    folder = local.run(resolution, lambda step, line: log.info("%s: %s", step, line))
    return Run(folder.path.resolve())


def write_demo_data(folder: str | os.PathLike[str]) -> Path:
    """Writes the demo data, 1,797 scans of handwritten digits in ten class folders; returns the folder.

    Raises:
        ArtifactError: the folder already contains other files.
    """
    from components.preprocess.demo import write_digits

    write_digits(Path(folder))
    return Path(folder)


def _flatten(name: str, value: Any) -> Iterator[str]:
    """Yields `section.key=value` for each nested value; a mapping with keys such as "a b" counts as one value."""
    if isinstance(value, Mapping) and value and all(str(key).isidentifier() for key in value):
        for key, inner in value.items():
            yield from _flatten(f"{name}.{key}", inner)
    else:
        yield f"{name}={json.dumps(value, ensure_ascii=False, default=os.fspath)}"
