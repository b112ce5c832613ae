"""The pipeline: its tasks and their edges, nothing else."""

from kfp import dsl

from components.deploy.component import deploy
from components.evaluate.component import evaluate
from components.preprocess.component import preprocess
from components.train.component import train


@dsl.pipeline(name="darkroom-training", description="Labelled photos become a classifier that is served.")
def training(
    data: str,
    model_name: str,
    preprocess_params: str,
    train_params: str,
    evaluate_params: str,
    deploy_params: str,
) -> None:
    """photos → dataset → model → evaluation → bento.

    Args:
        data: where the photos are.
        model_name: of the bento and of the registered model.
        preprocess_params: the section of params.yaml as JSON, and likewise the others: a task's cache key depends on
            its own section only.
        train_params: see above.
        evaluate_params: see above.
        deploy_params: see above.
    """
    prepared = preprocess(data=data, params=preprocess_params)
    dataset = prepared.outputs["dataset"]

    trained = train(dataset=dataset, params=train_params)
    model = trained.outputs["model"]

    evaluated = evaluate(dataset=dataset, model=model, params=evaluate_params, model_name=model_name)
    evaluation = evaluated.outputs["evaluation"]

    deployed = deploy(dataset=dataset, model=model, evaluation=evaluation, params=deploy_params)
    deployed.set_caching_options(enable_caching=False)  # it registers and promotes: never skip it
