"""How long steps waited for their batches."""

import numpy as np
import pytest

from components.train.loop.callbacks.progress import measure_input_wait


@pytest.mark.parametrize(
    ("made_at", "start", "end", "waited"),
    [
        ([4.0], 5.0, 7.0, 0.0),
        ([6.0], 5.0, 7.0, 1.0),
        ([4.0, 4.5, 4.9], 5.0, 8.0, 0.0),
        ([6.0, 6.1, 6.2], 5.0, 9.0, 1.0),
        ([6.0, 8.0, 10.0], 5.0, 11.0, 3.0),
        ([5.0, 6.0, 9.0], 5.0, 10.0, 2.0),
        ([], 5.0, 6.0, 0.0),
    ],
    ids=["ready", "late", "all ready", "the first late", "each late", "the last late", "none"],
)
def test_waiting_is_what_steps_of_equal_length_do_not_explain(
    made_at: list[float], start: float, end: float, waited: float
) -> None:
    assert measure_input_wait(np.array(made_at), start, end) == pytest.approx(waited)
