"""The base classes of records: the data that steps write as JSON, return over HTTP or pass to each other."""

from pydantic import BaseModel, ConfigDict


class BaseRecord(BaseModel):
    """A frozen record that rejects unknown keys, and converts lists and numbers to the types of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StrictRecord(BaseRecord, strict=True):
    """A record that does not convert values: for example, an integer field rejects the string "5"."""
