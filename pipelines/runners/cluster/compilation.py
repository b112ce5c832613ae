"""Compiles the pipeline to KFP's intermediate representation (IR)."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.errors import ArtifactError
from components.contract.params.pipeline import Params
from components.contract.system.atomic_files import write_file
from components.contract.system.disk_space import free_text
from pipelines.runners.run_params import count_tasks, pipeline_arguments

if TYPE_CHECKING:
    from pipelines.runners.cluster.placement import Placement


def compile_pipeline(params: Params, output: Path, placement: "Placement | None" = None) -> None:
    """Writes the pipeline as KFP IR, with these params as the defaults of its arguments.

    Args:
        params: the resolved params.
        output: the path of the file, which ends in .yaml or .json.
        placement: where its tasks run on a cluster; None for the DAG without cluster settings.

    Raises:
        ArtifactError: the file name has an unsupported ending, or the file cannot be written.
    """
    if output.suffix not in (".yaml", ".yml", ".json"):
        raise ArtifactError(f"The file name of a compiled pipeline must end in .yaml or .json; found {output}.")
    try:
        write_file(output, compile_ir(params, placement, pipeline_arguments(params), output.suffix))
    except OSError as error:
        raise ArtifactError(f"{output} cannot be written: {error}{free_text(output.parent)}.") from None


def compile_ir(
    params: Params, placement: "Placement | None", defaults: dict[str, str] | None, suffix: str = ".yaml"
) -> bytes:
    """Returns the pipeline as KFP IR.

    Args:
        params: the resolved params.
        placement: where its tasks run on a cluster; None for the DAG without cluster settings.
        defaults: the default values of the pipeline's arguments; None for no defaults.
        suffix: the file name ending of the format to return.
    """
    from kfp.compiler import Compiler

    if placement is None:
        from pipelines.training import training

        pipeline = training(**count_tasks(params))
    else:
        from pipelines.runners.cluster.placement import place_pipeline

        pipeline = place_pipeline(placement, **count_tasks(params))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"pipeline{suffix}"
        Compiler().compile(pipeline, str(path), pipeline_parameters=defaults)
        return path.read_bytes()
