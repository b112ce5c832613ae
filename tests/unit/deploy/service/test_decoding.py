"""Photos are decoded within memory and time limits, in a fair order."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from components.contract.errors import ImageError
from components.contract.image.decode import Photo, decode, decode_cost
from components.contract.image.decoding_cost import DecodeCost
from components.deploy.service import decoding
from components.deploy.service.decoding import Decoder
from components.deploy.service.fair_queue import FairQueue, Share
from tests.cases.decode_bombs import encoded, jpeg_of_many_scans

MIB = 2**20


@pytest.mark.parametrize(
    ("arrivals", "order"),
    [
        ("aaab", "aaba"),
        ("aaaabbb", "aababab"),
        ("abc", "abc"),
        ("aaaaaaaabc", "aabcaaaaaa"),
    ],
)
def test_requests_take_turns_regardless_of_their_size(arrivals: str, order: str) -> None:
    queue: FairQueue[str] = FairQueue()
    shares = {name: Share() for name in arrivals}
    first = arrivals[0]
    queue.push(first, shares[first], 1)
    turns = [queue.pop()]
    for name in arrivals[1:]:
        queue.push(name, shares[name], 1)
    turns += [queue.pop() for _ in range(len(queue))]
    assert "".join(turns) == order


def test_a_cheap_item_is_served_before_expensive_ones() -> None:
    queue: FairQueue[str] = FairQueue()
    dear, cheap = Share(), Share()
    for _ in range(64):
        queue.push("expensive", dear, 1.0)
    assert queue.cost_before(cheap, 0.1) == 0
    queue.push("cheap", cheap, 0.1)
    assert queue.pop() == "cheap"
    assert queue.cost_before(dear, 1.0) == 64


class BlockingDecode:
    """Decodes photos; for files of more than 1,000 bytes, also counts concurrent calls and waits for `go`."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.num_running = self.most_running = 0
        self.lock = threading.Lock()

    def __call__(self, data: bytes, admit: Callable[[DecodeCost], None]) -> Photo:
        photo = decode(data, (32, 32), admit=admit)
        if len(data) > 1000:
            with self.lock:
                self.num_running += 1
                self.most_running = max(self.most_running, self.num_running)
            assert self.go.wait(10)
            with self.lock:
                self.num_running -= 1
        return photo


LARGE, SMALL = encoded("RGB", 1500, "PNG"), encoded("RGB", 16, "PNG")


@pytest.mark.parametrize(("max_mb", "num_cores", "most"), [(64, 2, 1), (64, 8, 4), (16, 8, 1), (33, 8, 2)])
def test_large_photos_wait_for_memory_and_small_ones_do_not(max_mb: int, num_cores: int, most: int) -> None:
    decode_photo = BlockingDecode()

    async def ask() -> None:
        decoder, share = Decoder(decode_photo, num_cores, max_mb * MIB), Share()
        large = [asyncio.ensure_future(decoder(LARGE, share)) for _ in range(6)]
        while decode_photo.num_running < most:
            await asyncio.sleep(0.005)
        assert (await decoder(SMALL, Share())).native_size == (16, 16)
        decode_photo.go.set()
        assert {photo.native_size for photo in await asyncio.gather(*large)} == {(1500, 1500)}

    asyncio.run(ask())
    assert decode_photo.most_running == most


def test_a_photo_that_exceeds_the_decoding_limits_is_rejected_based_on_its_header() -> None:
    def ask(data: bytes) -> None:
        asyncio.run(Decoder(lambda *photo: decode(photo[0], (32, 32), admit=photo[1]), 2, 16 * MIB)(data, Share()))

    for data, message in (
        (encoded("1", 9433, "PNG"), "16 MiB of memory; a PNG of 9,433"),
        (encoded("L", 2000, "JPEG", progressive=True), None),
        (jpeg_of_many_scans(2800, 880), "200 scans"),
    ):
        if message is None:
            ask(data)
        else:
            with pytest.raises(ImageError, match=message):
                ask(data)


def test_decoding_time_is_limited_per_photo_per_request_and_for_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    decode_photo = BlockingDecode()
    seconds = 40e-9 * 1500**2

    async def refusals(shares: list[Share]) -> list[int | str | None]:
        decoder = Decoder(decode_photo, 2, 64 * MIB)
        tasks = [asyncio.ensure_future(decoder(LARGE, share)) for share in shares]
        await asyncio.sleep(0.5)
        decode_photo.go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return [getattr(result, "status", getattr(result, "code", None)) for result in results]

    monkeypatch.setattr(decoding, "MAX_REQUEST_SECONDS", 3.5 * seconds)
    share = Share()
    assert asyncio.run(refusals([share] * 5)).count(413) == 2
    monkeypatch.setattr(decoding, "MAX_WAIT_SECONDS", 2.5 * seconds)
    decode_photo.go.clear()
    assert asyncio.run(refusals([Share() for _ in range(6)])).count(503) == 2
    monkeypatch.setattr(decoding, "MAX_PHOTO_SECONDS", seconds / 2)
    assert asyncio.run(refusals([Share()])) == ["too_large"]


def test_a_canceled_photo_is_not_decoded() -> None:
    decode_photo = BlockingDecode()

    async def ask() -> None:
        decoder = Decoder(decode_photo, 2, 64 * MIB)
        tasks = [asyncio.ensure_future(decoder(LARGE, Share())) for _ in range(4)]
        while not decode_photo.num_running:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.3)
        for task in tasks[1:3]:
            task.cancel()
        await asyncio.sleep(0)
        assert decoder._large.seconds_before(Share(), 1e9) == pytest.approx(decode_cost(LARGE, (32, 32)).seconds)
        decode_photo.go.set()
        first, *cancelled_results, last = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in cancelled_results] == [asyncio.CancelledError] * 2
        assert not isinstance(first, BaseException)
        assert not isinstance(last, BaseException)

    asyncio.run(ask())
