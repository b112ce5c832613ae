"""The pipeline: its tasks and their edges, nothing else."""

import functools

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.deploy.component import deploy
from components.evaluate.component import evaluate
from components.preprocess.component import preprocess
from components.train.component import train, tune


@functools.cache
def training(searchers: int = 0) -> GraphComponent:
    """Builds the pipeline: photos → dataset → best params → model → evaluation → bento.

    Args:
        searchers: how many tasks share the search for the best params; 0: there is none, and train takes them as given.
    """

    @dsl.pipeline(name="darkroom-training", description="Labeled photos become a classifier that is served.")
    def pipeline(
        data: str,
        data_columns: str,
        model_name: str,
        preprocess_params: str,
        tune_params: str,
        train_params: str,
        evaluate_params: str,
        deploy_params: str,
    ) -> None:
        """Every section of params.yaml comes as JSON: a task's cache key depends on its own sections only."""
        preprocess_task = preprocess(data=data, columns=data_columns, params=preprocess_params)
        dataset = preprocess_task.outputs["dataset"]

        search = [tune(dataset=dataset, params=tune_params, train_params=train_params) for _ in range(searchers)]
        if searchers > 1:  # one more, which finds the budget spent and says which trial was the best
            search.append(tune(dataset=dataset, params=tune_params, train_params=train_params).after(*search))
            for task in search:  # equal inputs: each would be taken for the one before
                task.set_caching_options(enable_caching=False)

        train_task = train(dataset=dataset, params=search[-1].outputs["Output"] if search else train_params)
        model = train_task.outputs["model"]

        study = {"study": search[-1].outputs["study"]} if search else {}  # for the report
        evaluate_task = evaluate(dataset=dataset, model=model, params=evaluate_params, model_name=model_name, **study)
        evaluation = evaluate_task.outputs["evaluation"]

        deploy_task = deploy(dataset=dataset, model=model, evaluation=evaluation, params=deploy_params)
        deploy_task.set_caching_options(enable_caching=False)  # it registers and promotes: never skip it

    component: GraphComponent = pipeline
    return component
