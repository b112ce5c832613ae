"""The last task on a cluster: ends the MLflow run as the pipeline ended, with the reason of a failure."""

from kfp import dsl


@dsl.component(base_image="darkroom-preprocess-python:0.1.0", install_kfp_package=False)
def close(model_name: str, status: dsl.PipelineTaskFinalStatus) -> None:
    """Ends the run that the steps logged to; KFP runs this however the pipeline ended."""
    from components.contract.console import running_step
    from components.contract.tracking import end_run, step_run

    ends = {"SUCCEEDED": "FINISHED", "CANCELED": "KILLED", "CANCELLED": "KILLED"}
    with running_step("close"), step_run(experiment=model_name) as run:
        if status.state != "SUCCEEDED":
            run.set_tags({"darkroom.error": (status.error_message or status.state)[:5000]})
        end_run(run, ends.get(status.state, "FAILED"))
