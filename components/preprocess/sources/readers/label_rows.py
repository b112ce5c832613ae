"""What a label file says of its photos, whatever its format."""

from dataclasses import dataclass

from components.contract.artifacts.dataset import SplitName


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row of a label file; empty cells are None."""

    path: str | None
    label: str | None
    split: SplitName | None
    group: str | None
