"""KFP components for preprocessing: the step itself, and the tasks that read photos in parallel for it."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Output


@dsl.component(base_image="darkroom-preprocess-python:0.2.0", install_kfp_package=False)
def list_photos(data: str, columns: str, params: str, listing: Output[Artifact]) -> None:
    """Lists the photos, so that all tasks read the same files."""
    from pathlib import Path

    from components.contract.params.data import ColumnNames
    from components.contract.params.pipeline import PreprocessParams, parse_section
    from components.contract.tracking.tracked_step import tracked_step
    from components.preprocess.parts.work import list_photos as run

    with tracked_step("list-photos"):
        run(data, parse_section(PreprocessParams, params), Path(listing.path), parse_section(ColumnNames, columns))


@dsl.component(base_image="darkroom-preprocess-python:0.2.0", install_kfp_package=False)
def read_photos(listing: Input[Artifact], data: str, columns: str, params: str, part: int, parts: int) -> None:
    """Reads and decodes a part of the photos, and puts the results into the shared store for preprocess."""
    from pathlib import Path

    from components.contract.params.data import ColumnNames
    from components.contract.params.pipeline import PreprocessParams, parse_section
    from components.contract.tracking.tracked_step import tracked_step
    from components.preprocess.parts.work import read_photos as run

    with tracked_step(f"read-photos-{part + 1}" if part else "read-photos"):  # the name of the task in KFP
        read_params = parse_section(PreprocessParams, params)
        run(data, read_params, Path(listing.path), part, parts, parse_section(ColumnNames, columns))


@dsl.component(base_image="darkroom-preprocess-python:0.2.0", install_kfp_package=False)
def preprocess(
    data: str,
    columns: str,
    params: str,
    dataset: Output[Dataset],
    audit: Output[HTML],
    listing: Input[Artifact] = None,
) -> None:
    """Prepares a data set from photos, and writes the report of the audit."""
    import shutil
    from pathlib import Path

    from components.contract.params.data import ColumnNames
    from components.contract.params.pipeline import PreprocessParams, parse_section
    from components.contract.tracking.tracked_step import tracked_step
    from components.preprocess.step import preprocess as run

    with tracked_step("preprocess"):
        run(
            data,
            parse_section(PreprocessParams, params),
            Path(dataset.path),
            parse_section(ColumnNames, columns),
            Path(listing.path) if listing else None,
        )
        Path(audit.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(dataset.path) / "audit.html", audit.path)
