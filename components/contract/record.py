"""The base classes of everything that steps write as JSON, answer over HTTP or pass to each other as facts."""

from pydantic import BaseModel, ConfigDict


class BaseRecord(BaseModel):
    """Frozen and without unknown keys; can be made from Python lists and numbers of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StrictRecord(BaseRecord, strict=True):
    """A record whose values already have their types, as those of a file that is read as JSON have."""
