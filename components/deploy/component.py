"""The step as a KFP component."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output


@dsl.component(base_image="darkroom-deploy-python:0.1.0", install_kfp_package=False)
def deploy(
    dataset: Input[Dataset], model: Input[Model], evaluation: Input[Artifact], params: str, bento: Output[Artifact]
) -> None:
    """Builds the service, checks it over HTTP against evaluation, and registers the model."""
    from pathlib import Path

    from components.contract.params.pipeline import DeployParams, parse_section
    from components.contract.system.program import running_step
    from components.deploy.release.rollout import roll_out_if_configured
    from components.deploy.step import deploy as run

    with running_step("deploy"):
        info = run(
            Path(dataset.path),
            Path(model.path),
            Path(evaluation.path),
            parse_section(DeployParams, params),
            Path(bento.path),
        )
        roll_out_if_configured(info, Path(bento.path), Path(dataset.path), Path(evaluation.path))
    bento.metadata.update({"tag": info.tag, "promoted": info.promoted})
