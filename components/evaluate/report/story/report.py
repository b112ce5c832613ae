"""The complete report, section by section."""

from components.contract.pages.blocks import Code, Fold, Items, Mark, Section, Text
from components.evaluate.report.model import Content, reproduce_commands, reproduce_params, use_commands
from components.evaluate.report.story.confidence import confidence_section
from components.evaluate.report.story.failures import label_section, mistake_section, outlier_section, slice_section
from components.evaluate.report.story.results import class_section, confusion_section, result_section
from components.evaluate.report.story.subject import data_section, model_section
from components.evaluate.report.story.training import training_section
from components.evaluate.report.story.verdict import verdict_section


def build_sections(content: Content) -> list[Section]:
    """All sections of the report, starting with the verdict."""
    return [
        verdict_section(content),
        data_section(content),
        model_section(content),
        training_section(content),
        result_section(content),
        confusion_section(content),
        class_section(content),
        mistake_section(content),
        slice_section(content),
        label_section(content),
        outlier_section(content),
        confidence_section(content),
        Section(
            "insights",
            "Conclusions and next steps",
            [Items(content.insights, numbered=True)],
            "Insights",
        ),
        _reproduce_section(content),
        Section(
            "use",
            "Use it",
            [
                Text(
                    "The service returns the class and the probabilities of all classes. It runs the exported graph "
                    "that was evaluated in this report.",
                    "soft",
                ),
                Code(use_commands()),
            ],
            "Use it",
        ),
    ]


def headings(content: Content) -> dict[str, str]:
    """The title, the headings and the first sentence of the report."""
    dataset, num_images = content.dataset, content.figures.test.num_images
    photos = "the only photo that was" if num_images == 1 else f"the {num_images:,} photos that were"
    return {
        "title": f"{content.evaluation.model_name}: evaluation",
        "eyebrow": "Evaluation",
        "heading": content.evaluation.model_name,
        "lead": f"{content.bundle.model.name} on {dataset.num_kept:,} photos of {len(dataset.class_names)} classes, "
        f"scored on {photos} not used for training or model selection.",
    }


def _reproduce_section(content: Content) -> Section:
    same = (
        "The same data, params, seed and machine produce the same model. The data is the same if its fingerprint "
        "starts with ",
        Mark("code", content.dataset.fingerprint[:16]),
        ".",
    )
    params = (
        "The params with which the model was trained and evaluated. The complete ",
        Mark("code", "params.yaml"),
        ", with the sections split and audit, is in the run's folder and in its MLflow run.",
    )
    return Section(
        "reproduce",
        "Reproduce it",
        [
            Text(same, "soft"),
            Code(reproduce_commands(content)),
            Fold("params.yaml of this model", [Text(params, "soft small"), Code(reproduce_params(content), "wrapped")]),
        ],
        "Reproduce it",
    )
