"""Photos that arrive while the graph runs form the next batch."""

import asyncio
import threading

import numpy as np
import pytest

from components.deploy.service.batching import Batcher


def photo(value: int) -> np.ndarray:
    return np.full((2, 2, 3), value, np.uint8)


class Graph:
    """Records each batch, waits until the test sets `go`, and returns the mean of each photo."""

    def __init__(self) -> None:
        self.batch_sizes: list[int] = []
        self.alone: list[bool] = []
        self.go = threading.Event()

    def run(self, pixels: np.ndarray, alone: bool) -> np.ndarray:
        self.batch_sizes.append(len(pixels))
        self.alone.append(alone)
        assert self.go.wait(10)
        if (pixels == 99).any():
            raise RuntimeError("no such photo")
        return pixels.mean(axis=(1, 2, 3))


def answers(graph: Graph, *, first: list[int], later: list[int], max_batch_size: int = 8) -> list[object]:
    """Returns the answer for each photo; the `later` photos arrive while the graph runs the `first` ones."""

    async def ask() -> list[object]:
        batcher = Batcher(graph.run, max_batch_size)
        tasks = [asyncio.ensure_future(batcher(photo(value))) for value in first]
        while not graph.batch_sizes:
            await asyncio.sleep(0.001)
        tasks += [asyncio.ensure_future(batcher(photo(value))) for value in later]
        await asyncio.sleep(0.01)
        graph.go.set()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("first", "later", "batch_sizes"),
    [
        ([1], [], [1]),
        ([1], [2, 3, 4], [1, 2, 1]),
        ([1, 2, 3], [4], [2, 2]),
        ([1], [*range(2, 22)], [1, 8, 8, 4]),
        ([1], [*range(2, 17)], [1, 8, 4, 2, 1]),
    ],
)
def test_waiting_photos_form_a_batch_and_each_gets_its_answer(
    first: list[int], later: list[int], batch_sizes: list[int]
) -> None:
    graph = Graph()
    assert answers(graph, first=first, later=later) == [*first, *later]
    assert graph.batch_sizes == batch_sizes


def test_a_failing_batch_fails_only_its_own_photos() -> None:
    graph = Graph()
    results = answers(graph, first=[1], later=[99, 2, 3], max_batch_size=2)
    assert results[0] == 1
    assert [type(result) for result in results[1:3]] == [RuntimeError, RuntimeError]
    assert results[3] == 3


def test_a_canceled_photo_is_left_out() -> None:
    graph = Graph()

    async def ask() -> object:
        batcher = Batcher(graph.run, 8)
        first = asyncio.ensure_future(batcher(photo(1)))
        while not graph.batch_sizes:
            await asyncio.sleep(0.001)
        abandoned_task, other_task = asyncio.ensure_future(batcher(photo(2))), asyncio.ensure_future(batcher(photo(3)))
        await asyncio.sleep(0.01)
        abandoned_task.cancel()
        await asyncio.sleep(0.01)
        graph.go.set()
        return await asyncio.gather(first, other_task)

    assert asyncio.run(ask()) == [1, 3]
    assert graph.batch_sizes == [1, 1]


def test_batches_run_in_parallel_and_the_graph_is_told_whether_a_batch_runs_alone() -> None:
    graph = Graph()

    async def ask() -> list[object]:
        batcher = Batcher(graph.run, 8, num_lanes=2)
        tasks = []
        for value in range(3):  # there are two lanes; the third batch waits
            tasks.append(asyncio.ensure_future(batcher(photo(value))))
            while len(graph.batch_sizes) < min(value + 1, 2):
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        assert batcher.busy_seconds > 0.01
        assert graph.batch_sizes == [1, 1]
        graph.go.set()
        answers_of_lanes = list(await asyncio.gather(*tasks))
        assert batcher.busy_seconds == 0
        assert batcher.seconds_per_photo > 0
        return [*answers_of_lanes, await batcher(photo(7))]

    assert asyncio.run(ask()) == [0, 1, 2, 7]
    assert graph.batch_sizes == [1] * 4
    assert graph.alone[:2] == [True, False]
    assert graph.alone[3]


def test_an_idle_batcher_starts_again() -> None:
    graph = Graph()
    graph.go.set()

    async def ask() -> list[object]:
        batcher = Batcher(graph.run, 8)
        return [await batcher(photo(value)) for value in (5, 6, 7)]

    assert asyncio.run(ask()) == [5, 6, 7]
    assert graph.batch_sizes == [1, 1, 1]
