"""The DAG of the pipeline: its tasks, and the edges between them."""

import functools

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.deploy.component import deploy
from components.evaluate.component import evaluate
from components.preprocess.component import list_photos, preprocess, read_photos
from components.train.component import compute_features, train, tune


@functools.cache
def training(searchers: int = 0, readers: int = 1, feature_workers: int = 1) -> GraphComponent:
    """Builds the pipeline: photos → dataset → best params → model → evaluation → bento.

    Args:
        searchers: the number of tasks that share the search for the best params; 0 for no search.
        readers: the number of tasks that read the photos before preprocess, which merges their results; 1 if preprocess
            reads the photos itself.
        feature_workers: the number of tasks that compute the features of frozen layers before training; 1 if tune and
            train compute them.
    """

    @dsl.pipeline(name="darkroom-training", description="Turns labeled photos into a classifier and serves it.")
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
        """Receives each section of params.yaml as JSON, so a task's cache key depends only on the sections it uses."""
        source = {"data": data, "columns": data_columns, "params": preprocess_params}
        listing = {"listing": list_photos(**source).outputs["listing"]} if readers > 1 else {}
        parts = range(readers if readers > 1 else 0)
        reading = [read_photos(**source, **listing, part=part, parts=readers) for part in parts]
        preprocess_task = preprocess(**source, **listing).after(*reading)
        dataset = preprocess_task.outputs["dataset"]

        parts = range(feature_workers if feature_workers > 1 else 0)
        features = [
            compute_features(dataset=dataset, params=train_params, part=part, parts=feature_workers) for part in parts
        ]

        search = [
            tune(dataset=dataset, params=tune_params, train_params=train_params).after(*features)
            for _ in range(searchers)
        ]
        if searchers > 1:  # one more task, which runs after all trials and returns the best params
            search.append(tune(dataset=dataset, params=tune_params, train_params=train_params).after(*search))
            for task in search:  # the tasks have equal inputs, so KFP would reuse the first one's result
                task.set_caching_options(enable_caching=False)

        train_task = train(dataset=dataset, params=search[-1].outputs["Output"] if search else train_params)
        train_task.after(*features)
        model = train_task.outputs["model"]

        study = {"study": search[-1].outputs["study"]} if search else {}  # for the report
        evaluate_task = evaluate(dataset=dataset, model=model, params=evaluate_params, model_name=model_name, **study)
        evaluation = evaluate_task.outputs["evaluation"]

        deploy_task = deploy(dataset=dataset, model=model, evaluation=evaluation, params=deploy_params)
        deploy_task.set_caching_options(enable_caching=False)  # it registers the model, so it must never be skipped

    component: GraphComponent = pipeline
    return component
