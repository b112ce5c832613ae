"""Where the data is, and how its label files are read: the section `data` of params.yaml."""

from typing import Annotated

from pydantic import AfterValidator, Field

from components.contract.params.base import Section
from components.contract.system.address import Address

Column = Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=1)]


class ColumnNames(Section):
    """Which columns of a label file to read: by name, or by number (from 1) if the file has no header."""

    path: Column | None = Field(None, description="The photo's path, file name or id.")
    label: Column | None = Field(None, description="The class. In Label Studio's JSON: the name of the control.")
    split: Column | None = Field(None, description="The split: train, validation or test.")
    group: Column | None = Field(
        None, description="A group, such as a patient, whose photos are kept in the same split."
    )


class DataParams(Section):
    """The location of the photos, and how they are read."""

    uri: Annotated[str, Field(min_length=1), AfterValidator(Address)] = Field(
        description="A folder of class folders, or of train/validation/test folders that contain class folders; a zip "
        "or tar archive of such a folder; a label file (CSV, Parquet, JSON Lines, Label Studio, COCO); CIFAR or IDX "
        "files; an address (https://, s3://, gs://) of any of these, or dvc+<repository>@<revision>:<path>."
    )
    columns: ColumnNames = ColumnNames()
    workers: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="Number of tasks that read the photos in parallel; it does not change the data set."
    )
    feature_workers: Annotated[int, Field(ge=1, le=1000)] = Field(
        1,
        description="Number of tasks that compute the features of frozen layers in parallel, before tune and train; it "
        "does not change the result.",
    )
