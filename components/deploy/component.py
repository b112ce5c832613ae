"""The deploy step as a KFP component."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output


@dsl.component(base_image="darkroom-deploy-python:0.2.0", install_kfp_package=False)
def deploy(
    dataset: Input[Dataset], model: Input[Model], evaluation: Input[Artifact], params: str, bento: Output[Artifact]
) -> None:
    """Builds the service, compares its answers over HTTP with those of evaluation, and registers the model."""
    from pathlib import Path

    from components.contract.params.pipeline import DeployParams, parse_section
    from components.contract.system.waiting import OUTAGE_SECONDS
    from components.contract.tracking.tracked_step import tracked_step
    from components.deploy.release.rollout import find_target, report_outcome
    from components.deploy.step import deploy as run

    with tracked_step("deploy"):
        info = run(
            Path(dataset.path),
            Path(model.path),
            Path(evaluation.path),
            parse_section(DeployParams, params),
            Path(bento.path),
            outage_seconds=OUTAGE_SECONDS if find_target() else None,
        )
        report_outcome(info, Path(bento.path), Path(dataset.path), Path(evaluation.path))
    bento.metadata.update({"tag": info.tag, "promoted": info.promoted})
