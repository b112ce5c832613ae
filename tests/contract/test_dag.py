"""KFP and DVC have the same DAG, its tasks get the right params, and the schema and the examples are valid."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from components.contract.params.pipeline import SECTIONS, json_schema, load_params
from components.contract.params.resolve import resolve
from tests.support.source_tree import ROOT

STEPS = {"preprocess", "tune", "train", "evaluate", "deploy"}


def read_yaml(path: Path) -> list[Any]:
    return list(YAML(typ="safe").load_all(path.read_text()))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from pipelines.runners.cluster.compilation import compile_pipeline

    params_with_trials = load_params(ROOT / "params.yaml", ("tune.trials=5",))
    params = resolve(params_with_trials, native_size=(8, 8), data_name="digits").params
    output = tmp_path_factory.mktemp("compiled") / "training.yaml"
    compile_pipeline(params, output)
    pipeline: dict[str, Any] = read_yaml(output)[0]
    return pipeline


@pytest.fixture(scope="module")
def stages() -> dict[str, Any]:
    dvc_stages: dict[str, Any] = read_yaml(ROOT / "dvc.yaml")[0]["stages"]
    return dvc_stages


def test_kfp_and_dvc_have_the_same_steps_and_edges(compiled: dict[str, Any], stages: dict[str, Any]) -> None:
    tasks = compiled["root"]["dag"]["tasks"]
    kfp_edges = {(upstream, name) for name, task in tasks.items() for upstream in task.get("dependentTasks", [])}

    makers = {output: name for name, stage in stages.items() for output in stage["outs"]}
    dvc_edges = {
        (makers[dep], name) for name, stage in stages.items() if name in STEPS for dep in stage["deps"] if dep in makers
    }
    assert set(tasks) == STEPS == set(stages) - {"digits"}
    assert kfp_edges == {edge for edge in dvc_edges if edge[0] in STEPS}
    assert kfp_edges == {
        ("preprocess", "tune"),
        ("preprocess", "train"),
        ("tune", "train"),
        ("preprocess", "evaluate"),
        ("tune", "evaluate"),
        ("preprocess", "deploy"),
        ("train", "evaluate"),
        ("train", "deploy"),
        ("evaluate", "deploy"),
    }


def test_the_demo_stage_runs_before_the_pipeline(stages: dict[str, Any]) -> None:
    uri = load_params(ROOT / "params.yaml").data.uri
    assert stages["digits"]["outs"] == [uri]
    assert "${data.uri}" in stages["preprocess"]["deps"]


def test_every_stage_lists_the_params_that_it_reads(stages: dict[str, Any]) -> None:
    for name, stage in stages.items():
        for param in stage.get("params", []):
            section, *keys = param.split(".")
            assert section in SECTIONS
            assert not keys or keys[0] in json_schema()["$defs"][f"{section.title()}Params"]["properties"]
        if name in STEPS:
            assert name in stage["params"]


def test_the_compiled_pipeline_contains_the_params_as_json(compiled: dict[str, Any]) -> None:
    inputs = compiled["root"]["inputDefinitions"]["parameters"]
    for step in STEPS:
        section = json.loads(inputs[f"{step}_params"]["defaultValue"])
        assert isinstance(section, dict)
    assert json.loads(inputs["train_params"]["defaultValue"])["epochs"] > 0


def test_a_task_depends_only_on_its_own_section_of_the_params(compiled: dict[str, Any]) -> None:
    for step, task in compiled["root"]["dag"]["tasks"].items():
        params_input = task["inputs"]["parameters"]["params"]
        if step == "train":
            assert params_input["taskOutputParameter"]["producerTask"] == "tune"
        else:
            assert params_input["componentInputParameter"] == f"{step}_params"


def tasks_of(tmp_path: Path, *overrides: str) -> dict[str, Any]:
    from pipelines.runners.cluster.compilation import compile_pipeline

    params = resolve(load_params(ROOT / "params.yaml", overrides), native_size=(8, 8), data_name="digits").params
    compile_pipeline(params, tmp_path / "training.yaml")
    tasks: dict[str, Any] = read_yaml(tmp_path / "training.yaml")[0]["root"]["dag"]["tasks"]
    return tasks


def test_without_trials_there_is_no_tune_task(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path)
    assert set(tasks) == STEPS - {"tune"}
    assert tasks["train"]["inputs"]["parameters"]["params"]["componentInputParameter"] == "train_params"


def test_workers_share_a_search_and_a_last_task_finishes_it(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "tune.trials=5", "tune.workers=3")
    assert set(tasks) == STEPS | {"tune-2", "tune-3", "tune-4"}
    assert set(tasks["tune-4"]["dependentTasks"]) == {"preprocess", "tune", "tune-2", "tune-3"}
    assert tasks["train"]["inputs"]["parameters"]["params"]["taskOutputParameter"]["producerTask"] == "tune-4"
    assert not any(tasks[name]["cachingOptions"].get("enableCache") for name in tasks if name.startswith("tune"))


def test_only_the_task_with_side_effects_is_never_cached(compiled: dict[str, Any]) -> None:
    cached = {
        step: task["cachingOptions"].get("enableCache", False)
        for step, task in compiled["root"]["dag"]["tasks"].items()
    }
    assert cached == {"preprocess": True, "tune": True, "train": True, "evaluate": True, "deploy": False}


def test_every_task_runs_in_its_image_and_installs_nothing(compiled: dict[str, Any]) -> None:
    for name, executor in compiled["deploymentSpec"]["executors"].items():
        step = name.removeprefix("exec-").replace("tune", "train")
        image, tag = executor["container"]["image"].split(":")
        assert image == f"darkroom-{step}-python"
        assert tag not in ("", "latest")
        assert "pip install" not in " ".join(executor["container"]["command"])


def test_the_committed_schema_is_up_to_date() -> None:
    committed = json.loads((ROOT / "params.schema.json").read_text())
    assert committed == json_schema(), "regenerate it: python -m components.contract.params.schema params.schema.json"


def test_params_files_name_their_schema_in_the_first_line() -> None:
    for path in (ROOT / "params.yaml", *(ROOT / "examples").glob("*.yaml")):
        first = path.read_text().splitlines()[0]
        prefix, _, schema = first.partition("$schema=")
        assert prefix == "# yaml-language-server: "
        assert (path.parent / schema).resolve() == ROOT / "params.schema.json"


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_valid_and_describes_what_to_expect(path: Path) -> None:
    params = load_params(path)
    if params.train.model.described_kind == "upload":  # users provide the model file
        params = params.model_copy(update={"preprocess": params.preprocess.model_copy(update={"image_size": 224})})
    resolve(params, native_size=(400, 300), data_name="photos")
    comments = [line for line in path.read_text().splitlines() if line.startswith("# ")]
    assert any(f"--params examples/{path.name}" in line for line in comments)
    assert any("xpected" in line or "Not run here" in line for line in comments)


def test_workers_share_the_photos_to_read_and_preprocess_merges_their_results(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "data.workers=3")
    readers = {"read-photos", "read-photos-2", "read-photos-3"}
    assert set(tasks) == (STEPS - {"tune"}) | readers | {"list-photos"}
    assert all(tasks[name]["dependentTasks"] == ["list-photos"] for name in readers)
    assert set(tasks["preprocess"]["dependentTasks"]) == {"list-photos", *readers}
    parts = [tasks[name]["inputs"]["parameters"]["part"]["runtimeValue"]["constant"] for name in sorted(readers)]
    assert parts == [0, 1, 2]


def test_workers_compute_the_features_for_tune_and_train_together(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "data.feature_workers=2", "tune.trials=5", "tune.workers=2")
    workers = {"compute-features", "compute-features-2"}
    assert set(tasks) == STEPS | workers | {"tune-2", "tune-3"}
    assert all(tasks[name]["dependentTasks"] == ["preprocess"] for name in workers)
    assert all(workers <= set(tasks[name]["dependentTasks"]) for name in ("tune", "tune-2", "train"))
