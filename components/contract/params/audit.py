"""What happens for each finding of the audit."""

from typing import Literal

from pydantic import Field

from components.contract.params.base import Section

Policy = Literal["ignore", "report", "quarantine", "fail"]
"""What a finding leads to: nothing; a line in the report; that too, and the photos are left out; that too, and an error
that ends the run before anything is trained."""


class AuditParams(Section):
    """What each finding of the audit leads to.

    Copies of the same bytes are always reduced to one, and left out altogether under several labels: a photo is known
    by its content, which has one label.
    """

    broken: Literal["quarantine", "fail"] = Field(
        "quarantine",
        description="Files that cannot be used: unreadable, truncated, of an unsupported format, too small …",
    )
    wrong_extension: Policy = Field("report", description="Files whose extension does not match their content.")
    extreme_aspect: Policy = Field(
        "report", description="Photos more than four times as wide as high, or as high as wide."
    )
    low_resolution: Policy = Field("report", description="Photos less than half of image_size on both sides.")
    brightness_outliers: Policy = Field("report", description="Photos much darker or brighter than the others.")
    blur_outliers: Policy = Field("report", description="Photos much less sharp than the others.")
    low_information: Policy = Field(
        "report", description="Photos with little information: blank frames, plain graphics."
    )
    odd_size: Policy = Field("report", description="Photos much larger or smaller than the others.")
    grayscale: Policy = Field("report", description="Gray photos, if most photos have color.")
    placeholders: Policy = Field(
        "report", description='One picture, such as "no image", in three or more classes, or five times in two.'
    )
    duplicates: Policy = Field(
        "quarantine", description="Copies within a split, equal in bytes or pixels; one is kept."
    )
    near_duplicates: Policy = Field(
        "report",
        description="Copies that were resized, recompressed, cropped or mirrored. Unless ignored, they are kept in "
        "the same split.",
    )
    leakage: Policy = Field(
        "quarantine",
        description="Copies, near-duplicates and groups in several existing splits; removed from the training side.",
    )
    contradictory_labels: Policy = Field(
        "quarantine", description="The same photo, or a near-duplicate, with two labels."
    )
    pixel_depth: Literal["ignore", "report", "fail"] = Field(
        "report", description="16-bit photos that use few of their values, or exceed pixel_range."
    )
    imbalance: Literal["ignore", "report", "fail"] = Field(
        "report", description="The largest class has over five times as many training photos as the smallest."
    )
    few_photos: Literal["ignore", "report", "fail"] = Field(
        "report", description="Classes with fewer than 50 training photos."
    )
    tiny_classes: Literal["ignore", "report", "fail"] = Field(
        "report", description="Classes with fewer than 10 validation or test photos, too few for reliable figures."
    )
    split_drift: Literal["ignore", "report", "fail"] = Field(
        "report",
        description="A split that differs from the training photos in classes, brightness, sharpness or size.",
    )
