"""The pipeline for a cluster: the only module that speaks of KFP's backend."""

import tempfile
from pathlib import Path

from components.contract.errors import ArtifactError
from components.contract.outputs import write_file
from components.contract.params import Params
from pipelines.local import pipeline_arguments


def compile_pipeline(params: Params, output: Path) -> None:
    """Writes the pipeline as KFP IR, with these params as its defaults.

    Args:
        params: without `auto`.
        output: ends in .yaml or .json.

    Raises:
        ArtifactError: the name has another ending, or the place cannot be written.
    """
    if output.suffix not in (".yaml", ".yml", ".json"):
        raise ArtifactError(f"A compiled pipeline must be named *.yaml or *.json; found {output}.")
    from kfp.compiler import Compiler

    from pipelines.training import training

    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / f"pipeline{output.suffix}"
        Compiler().compile(training, str(compiled), pipeline_parameters=pipeline_arguments(params))
        try:
            write_file(output, compiled.read_bytes())
        except OSError as error:
            raise ArtifactError(f"{output} must be writable; it is not: {error}.") from None
