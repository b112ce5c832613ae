"""Preprocess as a KFP component."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Output


@dsl.component(base_image="darkroom-preprocess-python:0.2.0", install_kfp_package=False)
def preprocess(data: str, columns: str, params: str, dataset: Output[Dataset], audit: Output[HTML]) -> None:
    """Photos become a prepared data set, and a page that tells what the audit found."""
    import shutil
    from pathlib import Path

    from components.contract.params.data import ColumnNames
    from components.contract.params.pipeline import PreprocessParams, parse_section
    from components.contract.tracking.tracked_step import tracked_step
    from components.preprocess.step import preprocess as run

    with tracked_step("preprocess"):
        run(data, parse_section(PreprocessParams, params), Path(dataset.path), parse_section(ColumnNames, columns))
        Path(audit.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(dataset.path) / "audit.html", audit.path)
