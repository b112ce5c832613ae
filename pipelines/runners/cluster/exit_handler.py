"""The pipeline's last task on a cluster: ends the MLflow run with the pipeline's status and the cause of a failure."""

from kfp import dsl


@dsl.component(base_image="darkroom-preprocess-python:0.2.0", install_kfp_package=False)
def close(model_name: str, status: dsl.PipelineTaskFinalStatus) -> None:
    """Ends the MLflow run of the steps; KFP always runs this task, even after a failure."""
    import logging

    from components.contract.system.program import running_step
    from components.contract.tracking.run import end_run
    from components.contract.tracking.step_run import pipeline_end, step_run
    from components.contract.tracking.tracked_step import ERROR_TAG, recorded_error

    with running_step("close"), step_run(experiment=model_name) as run:
        end, reason = pipeline_end(status.state, status.error_message)
        if end == "FAILED":
            reason = recorded_error(run) or reason
        if reason:
            run.set_tags({ERROR_TAG: reason})
        logging.getLogger("components").info("The MLflow run ends as %s%s", end, f": {reason}" if reason else ".")
        end_run(run, end)
