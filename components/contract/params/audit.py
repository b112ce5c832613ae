"""What to do about each finding of the audit: the section `preprocess.audit` of params.yaml."""

from typing import Literal

from pydantic import Field

from components.contract.params.base import Section

Policy = Literal["ignore", "report", "quarantine", "fail"]
"""ignore: do nothing. report: add a line to the report. quarantine: report, and leave the photos out. fail: report,
leave the photos out, and stop the run with an error before training."""


class AuditParams(Section):
    """What to do about each finding of the audit.

    Under every policy, only one of several files with the same bytes is kept, or none if their labels differ, because a
    photo is identified by its content and has one label.
    """

    broken: Literal["quarantine", "fail"] = Field(
        "quarantine",
        description="Files that cannot be used: unreadable, truncated, in an unsupported format, too small …",
    )
    wrong_extension: Policy = Field("report", description="Files whose extension does not match their content.")
    extreme_aspect: Policy = Field(
        "report", description="Photos whose longer side is more than four times the shorter side."
    )
    low_resolution: Policy = Field("report", description="Photos smaller than half of image_size on both sides.")
    brightness_outliers: Policy = Field("report", description="Photos much darker or brighter than the others.")
    blur_outliers: Policy = Field("report", description="Photos much less sharp than the others.")
    low_information: Policy = Field("report", description="Photos with little detail: blank frames, plain graphics.")
    odd_size: Policy = Field("report", description="Photos much larger or smaller than the others.")
    grayscale: Policy = Field("report", description="Gray photos in a data set of mostly color photos.")
    placeholders: Policy = Field(
        "report",
        description='The same picture, such as "no image", in at least three classes, or at least five times in two '
        "classes.",
    )
    duplicates: Policy = Field(
        "quarantine", description="Files within a split that have the same bytes or the same pixels; one is kept."
    )
    near_duplicates: Policy = Field(
        "report",
        description="Resized, recompressed, cropped or mirrored copies. Unless ignored, they are kept in the same "
        "split.",
    )
    leakage: Policy = Field(
        "quarantine",
        description="Copies, near-duplicates and groups that are in several of the data's own splits. quarantine keeps "
        "them in only one split: test if they are in it, otherwise validation.",
    )
    contradictory_labels: Policy = Field(
        "quarantine", description="The same photo, or a near-duplicate, with two labels."
    )
    pixel_depth: Literal["ignore", "report", "fail"] = Field(
        "report", description="16-bit photos that use only a small part of their range, or exceed pixel_range."
    )
    imbalance: Literal["ignore", "report", "fail"] = Field(
        "report", description="The largest class has more than five times as many training photos as the smallest."
    )
    few_photos: Literal["ignore", "report", "fail"] = Field(
        "report", description="Classes with fewer than 50 training photos."
    )
    tiny_classes: Literal["ignore", "report", "fail"] = Field(
        "report", description="Classes with fewer than 10 validation or test photos, too few for reliable figures."
    )
    split_drift: Literal["ignore", "report", "fail"] = Field(
        "report",
        description="A split that differs from the training photos in class balance, brightness, sharpness or size.",
    )
