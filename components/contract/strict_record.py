"""The base class of everything that steps write as JSON, answer over HTTP or pass to each other as facts."""

from pydantic import BaseModel, ConfigDict


class StrictRecord(BaseModel):
    """Frozen, strict and without unknown keys. A class that is made from Python lists says `strict=False`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
