"""Reads the results of runs: metrics, confused photos, comparisons, leaderboards and champions."""

import collections
import csv
import datetime
import hashlib
import json
import threading
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from components.contract.artifacts.dataset import SPLITS, Split, SplitName, open_split
from components.contract.artifacts.evaluation import read_evaluation
from components.contract.artifacts.figures import read_figures
from components.contract.errors import ArtifactError
from components.contract.text import pluralize
from components.contract.tracking.run import flatten
from components.evaluate.formatting import percent
from pipelines.runners import runs
from pipelines.runners.run_notes import read_notes, read_promotion
from pipelines.studio.settings import StudioError

SHOWN_PHOTOS: Final = 60
FINDING_FILES: Final = {"label error": "label_errors.csv", "outlier": "outliers.csv"}


class Results:
    """Reads the runs in the current folder; opened splits are cached, because finished runs never change."""

    def __init__(self) -> None:
        self._splits: dict[tuple[Path, str], Split] = {}
        self._lock = threading.Lock()

    def all(self) -> list[dict[str, Any]]:
        """Returns a summary of each run, the newest first."""
        lines = [_summarize_run(folder) for folder in runs.list_runs()]
        mark_champions(lines)
        return lines

    def leaderboard(self) -> list[dict[str, Any]]:
        """Returns the finished runs for each version of the data, the best first, with a sentence about the ranking."""
        by_photos: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for line in self.all():
            if line["status"] == "finished":
                by_photos.setdefault((line["data"], line["photos"]), []).append(line)
        num_versions = collections.Counter(name for name, _ in by_photos)
        boards = []
        for (name, photos), lines in by_photos.items():
            lines.sort(key=lambda line: -line["validation"]["accuracy"]["value"])
            title = name if num_versions[name] == 1 else f"{name}, version {photos[:8]}"
            boards.append(
                {"data": title, "runs": [line["run_id"] for line in lines], "sentence": describe_ranking(lines)}
            )
        return boards

    def run(self, run_id: str) -> dict[str, Any]:
        """Returns everything that the page shows about a finished run.

        Raises:
            ArtifactError: there is no such run.
        """
        folder = find_finished_run(run_id)
        line = next(line for line in self.all() if line["run_id"] == folder.name)
        evaluation, figures = read_evaluation(folder / "evaluation"), read_figures(folder / "evaluation")
        history = _read_json(folder / "model" / "history.json")
        return {
            "summary": runs.RunFolder(folder).summary,
            "line": line,
            "gate": evaluation.gate.model_dump(mode="json"),
            "test": figures.test.model_dump(mode="json"),
            "class_names": list(figures.class_names),
            "latency_ms": evaluation.latency_p50_ms,
            "size_bytes": evaluation.size_bytes,
            "label_errors": figures.num_label_errors,
            "history": history,
            "params": (folder / runs.PARAMS_FILE).read_text(encoding="utf-8"),
        }

    def cell(self, run_id: str, label: int, predicted: int) -> list[dict[str, Any]]:
        """Returns up to SHOWN_PHOTOS test photos in a cell of the confusion matrix, most confident predictions first.

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

    def photo_map(self, run_id: str) -> list[dict[str, Any]]:
        """Returns the photos in a run's embedding map with their findings; empty if the run has no map.

        Raises:
            ArtifactError: there is no such run.
        """
        import pyarrow.parquet as pq

        folder = find_finished_run(run_id) / "evaluation"
        path = folder / "embedding_map.parquet"
        if not path.exists():
            return []
        findings = {name: _read_image_ids(folder / file) for name, file in FINDING_FILES.items()}
        return [
            {**photo, "findings": [name for name, ids in findings.items() if photo["image_id"] in ids]}
            for photo in pq.read_table(path).to_pylist()
        ]

    def split(self, run_id: str, name: str) -> Split:
        """Opens a split of a run's data set.

        Raises:
            ArtifactError: there is no such run, or its data is damaged.
            StudioError: there is no such split.
        """
        if name not in SPLITS:
            raise StudioError(f"A split must be one of {', '.join(SPLITS)}; found {name[:40]!r}.", 404)
        split: SplitName = name
        folder = find_finished_run(run_id) / "dataset"
        with self._lock:
            if (folder, name) not in self._splits:
                if len(self._splits) > 8:
                    self._splits.clear()
                self._splits[folder, name] = open_split(folder, split)
            return self._splits[folder, name]

    def compare(self, run_ids: Iterable[str]) -> dict[str, Any]:
        """Compares the params and the metrics of runs.

        Raises:
            ArtifactError: a run does not exist.
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
        lines_by_id = {line["run_id"]: line for line in self.all()}
        lines = [lines_by_id[folder.name] for folder in folders]
        histories = [_read_json(folder / "model" / "history.json") for folder in folders]
        figures = [read_figures(folder / "evaluation") for folder in folders]
        matrices = [
            {"class_names": list(each.class_names), "confusions": each.test.model_dump(mode="json")["confusions"]}
            for each in figures
        ]
        return {"runs": lines, "params": differences, "histories": histories, "matrices": matrices}


def find_finished_run(run_id: str) -> Path:
    """Finds the folder of a finished run.

    Raises:
        ArtifactError: there is no such run.
    """
    if "/" in run_id or run_id.startswith("."):
        raise ArtifactError(f"There is no finished run {run_id[:80]!r}.")
    return runs.find_run(run_id).path


def _summarize_run(folder: runs.RunFolder) -> dict[str, Any]:
    state, summary = folder.state, folder.summary
    line: dict[str, Any] = {
        "run_id": state.run_id,
        "status": "killed" if state.status == "running" and folder.was_killed else state.status,
        "started": state.started,
        "uri": state.data,
        "error": state.error,
        "mlflow_run_id": state.mlflow_run_id,
        **read_notes(folder.path).model_dump(),
    }
    if summary is not None:
        line |= {
            "data": summary["dataset"]["name"],
            "photos": _identify_photos(folder.path / "evaluation" / "predictions.parquet")
            or summary["dataset"]["fingerprint"],
            "model": summary["model"]["name"].replace("_", " "),
            "kind": summary["model"]["kind"],
            "num_parameters": summary["model"]["num_parameters"],
            "validation": summary["validation"],
            "test": summary["test"],
            "verdict": summary["gate"]["verdict"],
            "reasons": summary["gate"]["reasons"],
            "champion": summary["gate"].get("champion"),
            **_describe_promotion(folder, promoted=bool(summary["promoted"])),
            "seconds": summary["seconds"]["total"],
            "classes": summary["dataset"]["num_classes"],
        }
    return line


@lru_cache(maxsize=1024)
def _identify_photos(path: Path) -> str | None:
    """A digest of the validation photos and their labels: runs with the same digest can be compared.

    It does not depend on the size of the prepared photos, unlike the fingerprint of the data set. None if the table of
    predictions is missing or damaged.
    """
    import pyarrow.parquet as pq

    columns = ["image_id", "label"]
    try:
        rows = pq.read_table(path, columns=columns, filters=[("split", "=", "validation")]).to_pylist()
    except (OSError, ValueError):  # pyarrow's error for damaged files is a ValueError
        return None
    pairs = sorted((row["image_id"], row["label"]) for row in rows)
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


def _describe_promotion(folder: runs.RunFolder, *, promoted: bool) -> dict[str, Any]:
    """The latest decision whether to promote the model, made during or after the run."""
    later = read_promotion(folder.path)
    if later is not None:
        return {"promoted": later.promoted, "promotion_reason": later.reason, "decided": later.decided}
    deployment = _read_json(folder.path / "bento" / "deployment.json") or {}
    reason = deployment.get("promotion_reason", "")
    return {"promoted": promoted, "promotion_reason": reason, "decided": folder.state.started}


def mark_champions(lines: Iterable[dict[str, Any]]) -> None:
    """Adds its current standing to each finished run; the champion of a data set is the run that was promoted last."""
    champions: dict[str, dict[str, Any]] = {}
    finished_lines = [line for line in lines if line["status"] == "finished"]
    for line in finished_lines:
        champion = champions.get(line["data"])
        if line["promoted"] and (champion is None or _time_of(line) > _time_of(champion)):
            champions[line["data"]] = line
    for line in finished_lines:
        is_champion = champions.get(line["data"]) is line
        line["standing"] = "champion" if is_champion else "former champion" if line["promoted"] else "not promoted"


def _time_of(line: dict[str, Any]) -> datetime.datetime:
    return datetime.datetime.fromisoformat(line["decided"])


def describe_ranking(lines: list[dict[str, Any]]) -> str:
    """Describes how certain the order of the runs is, based on the confidence intervals of the validation accuracy."""
    best_line = lines[0]
    accuracy = best_line["validation"]["accuracy"]
    name = best_line.get("name") or f"{best_line['model']} ({best_line['run_id']})"
    text = f"{name} classifies {percent(accuracy['value'])} of the validation photos correctly"
    if len(lines) == 1:
        return f"{text}; there is no other run on these photos to compare it with."
    close_lines = [line for line in lines[1:] if line["validation"]["accuracy"]["high"] >= accuracy["low"]]
    if not close_lines:
        return f"{text}, clearly more than every other run."
    other_runs = pluralize(len(close_lines), "other run")
    return f"{text}, the most among {len(lines)} runs; but with so few photos, {other_runs} may be just as good."


def _read_image_ids(path: Path) -> set[str]:
    """The image_ids in a table of findings; empty if there is no table, as in evaluations by old Darkroom versions."""
    if not path.exists():
        return set()
    with path.open(encoding="utf-8", newline="") as file:
        return {row["image_id"] for row in csv.DictReader(file)}


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
