"""The audit's findings about the whole data set."""

from components.contract.params.audit import AuditParams
from components.preprocess.audit.findings import Reporter, report_set
from components.preprocess.manifest import Record

SIZE = {"native_height": 8, "native_width": 8, "num_bytes": 100}
NUM_PHOTOS = {
    "cats": {"train": 60, "validation": 3, "test": 2},
    "dogs": {"train": 60, "validation": 10, "test": 9},
    "owls": {"train": 60, "validation": 10, "test": 10},
}


def test_a_tiny_class_is_listed_once_with_its_counts_in_all_small_splits() -> None:
    records = [
        Record(f"{name}/{split}-{number}.png", name, split, brightness=1.0, sharpness=1.0, chroma=1.0, **SIZE)  # type: ignore[arg-type]
        for name, counts in NUM_PHOTOS.items()
        for split, count in counts.items()
        for number in range(count)
    ]
    reporter = Reporter(records, AuditParams())
    report_set(reporter, records, list(NUM_PHOTOS))
    messages = {finding.kind: finding.message for finding in reporter.findings}
    assert messages["tiny_classes"] == (
        "Classes with fewer than 10 photos in a split: cats (3 in validation, 2 in test) and dogs (9 in test)."
    )
