"""What runs came to: figures, confusions with their photos, comparisons, and which one stands first."""

import json
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from components.contract.artifacts.dataset import SPLITS, Split, SplitName, open_split
from components.contract.artifacts.evaluation import read_evaluation
from components.contract.artifacts.figures import read_figures
from components.contract.errors import ArtifactError
from components.contract.tracking.run import flatten
from components.evaluate.formatting import percent
from pipelines.runners import runs
from pipelines.studio.settings import StudioError

SHOWN_PHOTOS: Final = 60


class Results:
    """Reads the runs of this folder; finished ones never change."""

    def __init__(self) -> None:
        self._splits: dict[tuple[Path, str], Split] = {}
        self._lock = threading.Lock()

    def all(self) -> list[dict[str, Any]]:
        """A line for each run, newest first."""
        return [_summarize_run(folder) for folder in runs.list_runs()]

    def leaderboard(self) -> list[dict[str, Any]]:
        """The finished runs of each version of the data, the best on validation first, with a sentence."""
        by_data: dict[str, list[dict[str, Any]]] = {}
        for line in self.all():
            if line["status"] == "finished":
                by_data.setdefault(f"{line['data']} {line['fingerprint'][:8]}", []).append(line)
        boards = []
        for name, lines in by_data.items():
            lines.sort(key=lambda line: -line["validation"]["accuracy"]["value"])
            boards.append(
                {"data": name, "runs": [line["run_id"] for line in lines], "sentence": describe_ranking(lines)}
            )
        return boards

    def run(self, run_id: str) -> dict[str, Any]:
        """All that the page shows of a finished run.

        Raises:
            ArtifactError: there is none such.
        """
        folder = find_finished_run(run_id)
        evaluation, figures = read_evaluation(folder / "evaluation"), read_figures(folder / "evaluation")
        history = _read_json(folder / "model" / "history.json")
        return {
            "summary": runs.RunFolder(folder).summary,
            "gate": evaluation.gate.model_dump(mode="json"),
            "test": figures.test.model_dump(mode="json"),
            "class_names": list(figures.class_names),
            "latency_ms": evaluation.latency_p50_ms,
            "size_bytes": evaluation.size_bytes,
            "label_errors": figures.num_label_errors,
            "history": history,
            "params": (folder / runs.PARAMS_FILE).read_text(encoding="utf-8"),
            "deployment": _read_json(folder / "bento" / "deployment.json"),
        }

    def cell(self, run_id: str, label: int, predicted: int) -> list[dict[str, Any]]:
        """Test photos of one class that were called another, the surest first.

        Raises:
            ArtifactError: there is no such run.
        """
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        folder = find_finished_run(run_id)
        table = pq.read_table(folder / "evaluation" / "predictions.parquet")
        cell_table = table.filter(
            pc.and_(
                pc.equal(table["split"], "test"),
                pc.and_(pc.equal(table["label"], label), pc.equal(table["predicted"], predicted)),
            )
        )
        rows = [{"image_id": row["image_id"], "sureness": max(row["probabilities"])} for row in cell_table.to_pylist()]
        return sorted(rows, key=lambda row: -row["sureness"])[:SHOWN_PHOTOS]

    def split(self, run_id: str, name: str) -> Split:
        """A split of the data that a run was made of.

        Raises:
            ArtifactError: there is no such run, or its data are damaged.
            StudioError: there is no such split.
        """
        if name not in SPLITS:
            raise StudioError(f"A split is one of {', '.join(SPLITS)}; found {name[:40]!r}.", 404)
        split: SplitName = name
        folder = find_finished_run(run_id) / "dataset"
        with self._lock:
            if (folder, name) not in self._splits:
                if len(self._splits) > 8:
                    self._splits.clear()
                self._splits[folder, name] = open_split(folder, split)
            return self._splits[folder, name]

    def compare(self, run_ids: Iterable[str]) -> dict[str, Any]:
        """What differs in the params of runs, beside their figures.

        Raises:
            ArtifactError: one of them is not there.
        """
        from ruamel.yaml import YAML

        reader = YAML(typ="safe", pure=True)
        folders = [find_finished_run(run_id) for run_id in run_ids]
        params = [flatten(reader.load((folder / runs.PARAMS_FILE).read_text(encoding="utf-8"))) for folder in folders]
        keys = sorted({key for run_params in params for key in run_params})
        differences = [
            {"key": key, "values": [run_params.get(key, "") for run_params in params]}
            for key in keys
            if len({run_params.get(key) for run_params in params}) > 1
        ]
        lines = [_summarize_run(runs.RunFolder(folder)) for folder in folders]
        histories = [_read_json(folder / "model" / "history.json") for folder in folders]
        return {"runs": lines, "params": differences, "histories": histories}


def find_finished_run(run_id: str) -> Path:
    """The folder of a finished run.

    Raises:
        ArtifactError: there is none such.
    """
    if "/" in run_id or run_id.startswith("."):
        raise ArtifactError(f"A finished run must be named; {run_id[:80]!r} is none.")
    return runs.find_run(run_id).path


def _summarize_run(folder: runs.RunFolder) -> dict[str, Any]:
    state, summary = folder.state, folder.summary
    line: dict[str, Any] = {
        "run_id": state.run_id,
        "status": state.status,
        "started": state.started,
        "uri": state.data,
        "error": state.error,
        "mlflow_run_id": state.mlflow_run_id,
    }
    if state.status == "running" and not folder.is_alive:
        line["status"] = "killed"
    if summary is not None:
        line |= {
            "data": summary["dataset"]["name"],
            "fingerprint": summary["dataset"]["fingerprint"],
            "model": summary["model"]["name"].replace("_", " "),
            "kind": summary["model"]["kind"],
            "num_parameters": summary["model"]["num_parameters"],
            "validation": summary["validation"],
            "test": summary["test"],
            "verdict": summary["gate"]["verdict"],
            "reasons": summary["gate"]["reasons"],
            "promoted": summary["promoted"],
            "seconds": summary["seconds"]["total"],
            "classes": summary["dataset"]["num_classes"],
        }
    return line


def describe_ranking(lines: list[dict[str, Any]]) -> str:
    """What the order is worth, by the intervals of the validation photos."""
    best_line = lines[0]
    accuracy = best_line["validation"]["accuracy"]
    name = f"{best_line['model']} ({best_line['run_id']})"
    text = f"{name} is right on {percent(accuracy['value'])} of the validation photos"
    if len(lines) == 1:
        return f"{text}; there is no other run of these photos to compare it with."
    close_lines = [line for line in lines[1:] if line["validation"]["accuracy"]["high"] >= accuracy["low"]]
    if not close_lines:
        return f"{text}, and every other run lies clearly below."
    other_runs = "1 other run" if len(close_lines) == 1 else f"{len(close_lines)} other runs"
    return f"{text}, the most of {len(lines)} runs; so few photos cannot tell it from {other_runs}, though."


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
