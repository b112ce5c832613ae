"""The tune step: a prepared data set and params in, the best params out. The train step follows it in the pipeline."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.artifacts.dataset import DatasetInfo, read_info
from components.contract.artifacts.study import StudyInfo
from components.contract.params.training import TrainParams
from components.contract.params.tuning import TuneParams, auto_space, check_space
from components.contract.system.atomic_files import new_folder, write_json
from components.contract.tracking.run import Run
from components.contract.tracking.step_run import step_run
from components.train.setup import Photographs, open_network, open_photographs, settle_mirror

if TYPE_CHECKING:
    from components.train.loop.fit_result import FitResult, Watch
    from components.train.tuning.search import Objective

log = logging.getLogger(__name__)


def trainer(info: DatasetInfo, photographs: Photographs) -> "Objective":
    """Returns the objective function, which trains with the params of a trial and then frees the memory."""
    from components.train.network.shared_backbone import SharedBackbone

    backbones = SharedBackbone()

    def objective(params: TrainParams, run: Run, watch: "Watch") -> "FitResult":
        params = settle_mirror(params, info)
        network = open_network(params, info, shared_backbone=backbones).network
        import keras

        from components.train.loop.phases import train_phases

        try:
            return train_phases(network, photographs, params, run, watch)
        finally:
            keras.utils.clear_session(free_memory=True)

    return objective


def tune(dataset_dir: Path, params: TuneParams, train: TrainParams, study_dir: Path) -> StudyInfo:
    """Searches for the best training params; if the number of trials is 0, writes the params of `train` unchanged.

    Args:
        dataset_dir: the folder that preprocess wrote.
        params: the tune section.
        train: the resolved train section.
        study_dir: the output folder, created or replaced completely.

    Raises:
        ParamsError: the search space contains invalid values.
        SearchError: the study cannot be opened, another search is using it, or no trial was completed.
        DataError: a split that training needs is empty.
        ArtifactError: the data set is damaged, or study_dir cannot be written.
    """
    info = read_info(dataset_dir)
    if params.trials == 0:
        with new_folder(study_dir) as folder:
            write_json(folder / "best.json", train)
            study = StudyInfo(name="none", dataset_fingerprint=info.fingerprint, trials=(), best=None, importance={})
            write_json(folder / "study.json", study)
        return study
    space = auto_space(train) if params.space == "auto" else params.space
    check_space(train, space, info.image_size)

    photographs = open_photographs(dataset_dir, info)
    from components.train.tuning.cost import CostMeter
    from components.train.tuning.search import Search, for_mlflow

    search = Search(info, train, params, space)
    with step_run(experiment=info.name, own_name="tune") as run, new_folder(study_dir) as folder:
        study = search.run(trainer(info, photographs), run, CostMeter(info).measure)
        best = next(trial for trial in study.trials if trial.number == study.best)
        values = ", ".join(f"{key} = {value}" for key, value in best.values.items())
        log.info(
            "The best trial (of %d) is trial %d: validation accuracy %.4f with %s.",
            len(study.trials),
            best.number + 1,
            best.accuracy or 0,
            values,
        )
        log.info("%s", study.choice)
        write_json(folder / "best.json", search.with_best(study))
        write_json(folder / "study.json", study)
        search.draw(folder / "study.html", study)
        run.set_tags({"darkroom.study": study.name, "darkroom.choice": study.choice})
        run.log_params(for_mlflow(best.values, "best."))
        run.log_metrics({"best_trial_accuracy": best.accuracy or 0.0})
        run.log_artifacts(folder / "study.html", "study")
        run.log_artifacts(folder / "study.json", "study")
    return study
