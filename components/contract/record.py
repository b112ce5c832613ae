"""The base classes of records: the data that steps write as JSON, return over HTTP or pass to each other."""

from pydantic import BaseModel, ConfigDict


class BaseRecord(BaseModel):
    """A frozen record without unknown keys; lists and numbers are converted to the types of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StrictRecord(BaseRecord, strict=True):
    """A record whose values are not converted: they must already have the types of its fields, as in JSON."""
