"""Collects the results of a run for summary.json."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contract.tracking.run import Run, find_stored_id
from pipelines.runners.events import EVENTS_FILE, read_events
from pipelines.runners.runs import RunFolder

if TYPE_CHECKING:
    from components.contract.artifacts.bundle import BudgetFacts
    from components.contract.artifacts.study import StudyInfo


def summarize(folder: RunFolder, mlflow_run: Run, total_seconds: float) -> dict[str, Any]:
    """Returns the results of a run in one dictionary, which becomes summary.json."""
    from components.contract.artifacts.bento import read_deployment
    from components.contract.artifacts.bundle import read_bundle
    from components.contract.artifacts.dataset import read_info
    from components.contract.artifacts.evaluation import read_evaluation
    from components.contract.artifacts.study import read_study

    path = folder.path
    info, bundle = read_info(path / "dataset"), read_bundle(path / "model")
    study = read_study(path / "study") if (path / "study").exists() else None
    evaluation, deployment = read_evaluation(path / "evaluation"), read_deployment(path / "bento")
    seconds = {
        event["step"]: event["seconds"] for event in read_events(path / EVENTS_FILE) if event["event"] == "finished"
    }
    return {
        "run_id": path.name,
        "mlflow_run_id": find_stored_id(mlflow_run),
        "dataset": {
            "name": info.name,
            "uri": info.source.uri,
            "fingerprint": info.fingerprint,
            "dvc": info.source.dvc,
            "git_revision": info.source.git_revision,
            "num_classes": len(info.class_names),
            "image_size": list(info.image_size),
            "kept": {split: info.num_images(split) for split in info.counts},
            "rejected": count_rejected(path / "dataset" / "manifest.parquet"),
            "rejected_by_reason": info.rejected,
        },
        "model": {
            "kind": bundle.model.kind,
            "name": bundle.model.name,
            "num_parameters": bundle.model.num_parameters,
            "num_trained_parameters": bundle.model.num_trained_parameters,
            "trained_layers": list(bundle.model.trained_layers),
            "epochs_run": bundle.epochs_run,
            "best_epoch": bundle.best_epoch,
        },
        **({"study": _summarize_study(study)} if study else {}),
        "validation": evaluation.validation.model_dump(mode="json"),
        "test": evaluation.test.model_dump(mode="json"),
        "gate": evaluation.gate.model_dump(mode="json"),
        "promoted": deployment.promoted,
        "report": str(path / "evaluation" / "report.html"),
        "bento": {"tag": deployment.tag, "path": str(path / "bento")},
        **({"budget": summarize_budget(bundle.budget, total_seconds)} if bundle.budget else {}),
        "seconds": {**seconds, "total": round(total_seconds, 3)},
    }


def summarize_budget(budget: "BudgetFacts", total_seconds: float) -> dict[str, Any]:
    """The time limit of a run, its plan, and the estimated and actual durations, for summary.json."""
    estimated = budget.estimated_seconds
    return {
        "minutes": budget.minutes,
        "estimated_minutes": None if estimated is None else round(estimated / 60, 2),
        "real_minutes": round(total_seconds / 60, 2),
        "plan": budget.plan,
        "is_cut": budget.is_cut,
    }


def budget_metrics(budget: dict[str, Any]) -> dict[str, float]:
    """The time limit of a run, and the estimated and actual durations, as MLflow metrics."""
    figures = {name: budget[name] for name in ("minutes", "estimated_minutes", "real_minutes")}
    return {f"budget/{name}": value for name, value in figures.items() if value is not None}


def _summarize_study(study: "StudyInfo") -> dict[str, Any]:
    best = next(trial for trial in study.trials if trial.number == study.best)
    states = [trial.state for trial in study.trials]
    return {
        "name": study.name,
        "trials": {state: states.count(state) for state in ("complete", "pruned", "failed", "interrupted")},
        "best": {"number": best.number, "accuracy": best.accuracy, "values": best.values},
        "objectives": list(study.objectives),
        "front": list(study.front),
        "choice": study.choice,
        "importance": study.importance,
    }


def count_rejected(manifest_path: Path) -> dict[str, int]:
    """The number of rejected files per split; `none` counts files without a split."""
    from collections import Counter

    import pyarrow.parquet as pq

    table = pq.read_table(manifest_path, columns=["split", "reason"])
    splits, reasons = table["split"].to_pylist(), table["reason"].to_pylist()
    return dict(Counter(split or "none" for split, reason in zip(splits, reasons, strict=True) if reason is not None))
