"""Batches: the same bytes from memory, a thread and worker processes, resumed or not; nothing left running."""

import gc
import multiprocessing
import os
import pickle
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("cv2")

from image_sets import Decodes, Pictures, Rendered, noise, table  # noqa: E402

from steelyard.base.errors import InputError, SteelyardError  # noqa: E402
from steelyard.training.ahead import ahead  # noqa: E402
from steelyard.training.batches import Batches  # noqa: E402
from steelyard.training.images import Images  # noqa: E402
from steelyard.training.objective import Batch  # noqa: E402
from steelyard.training.sources import BatchSource  # noqa: E402
from steelyard.training.transforms import TransformOptions  # noqa: E402

pytestmark = pytest.mark.torch

N = 26
CUT = TransformOptions(resize=11, crop=8, shift=1)
SKEW = [0] * 20 + [1] * 6


@pytest.fixture
def decodes(tmp_path: Path) -> Decodes:
    return Decodes(tmp_path / "decodes")


@pytest.fixture
def pictures(decodes: Decodes) -> Pictures:
    return Pictures(noise(N, 14, 17), decodes)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = set(multiprocessing.active_children())
    yield
    if set(multiprocessing.active_children()) - before:
        gc.collect()  # the traceback of an error that was caught may hold the source
    assert not [thread for thread in threading.enumerate() if thread.name == "steelyard-batches"]
    assert not set(multiprocessing.active_children()) - before


def source(dataset: Pictures, cache: str = "none", transform: TransformOptions = CUT, **options: object) -> Batches:
    given = {"batch_size": 4, "train": True, "seed": 3, "drop_last": False, **options}
    bad = given.pop("on_bad_image", "raise")
    labels = given.pop("labels", table(N, SKEW))
    return Batches(Images(dataset, labels, cache=cache, on_bad_image=bad), transform, **given)


def content(batches: Iterable[Batch]) -> list[tuple[bytes, ...]]:
    parts = [(one.images, one.targets, one.groups, one.rows) for one in batches]
    return [tuple(tensor.numpy().tobytes() for tensor in batch) for batch in parts]


def oracle(dataset: Pictures, batch: Batch) -> torch.Tensor:
    images = [dataset.made[f"i{row:03d}"] for row in batch.rows.tolist()]
    return torch.stack([torch.tensor(image.tolist()).permute(2, 0, 1) / 255 for image in images])


@pytest.mark.parametrize("kind", ["multi", "single"])
def test_a_batch_is_images_with_their_labels(pictures: Pictures, kind: str) -> None:
    labels = table(N, SKEW, kind=kind)
    batches: BatchSource = source(pictures, transform=TransformOptions(flip=False), labels=labels)
    assert len(batches) == 7
    assert batches.size == (14, 17)
    seen = list(batches.epoch(0))
    assert [len(batch) for batch in seen] == [4] * 6 + [2]
    for batch in seen:
        assert batch.images.dtype == torch.float32
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(batch.images, oracle(pictures, batch))
        assert batch.targets.dtype == (torch.float32 if kind == "multi" else torch.int64)
        rows = batch.rows.numpy()
        assert (batch.targets.numpy() == labels.targets[rows]).all()
        assert (batch.groups.numpy() == labels.groups[rows]).all()
        assert batch.groups.dtype == batch.rows.dtype == torch.int64
    assert sorted(row for batch in seen for row in batch.rows.tolist()) == list(range(N))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("sampling", ["natural", "balanced"])
def test_memory_thread_and_processes_give_the_same_bytes(pictures: Pictures, sampling: str, train: bool) -> None:
    ways = [
        source(pictures, cache, workers=workers, sampling=sampling, train=train)
        for cache in ("none", "memory")
        for workers in (0, 1, 2)
    ]
    blocks = Rendered(pictures.made, pictures.decodes)
    ways.append(source(blocks, "auto", sampling=sampling, train=train))
    for epoch in (0, 2):
        first, *others = [content(way.epoch(epoch)) for way in ways]
        assert all(other == first for other in others)
    assert content(ways[0].epoch(0)) == content(ways[0].epoch(0))
    assert (content(ways[0].epoch(0)) != content(ways[0].epoch(1))) == train  # the control
    assert (content(source(pictures, sampling=sampling, train=train, seed=4).epoch(2)) != first) == train


@pytest.mark.parametrize(("cache", "workers"), [("none", 0), ("none", 2), ("memory", 0), ("memory", 1)])
def test_a_resumed_epoch_goes_on_with_the_same_bytes(pictures: Pictures, cache: str, workers: int) -> None:
    for sampling in ("natural", "balanced"):
        whole = content(source(pictures, sampling=sampling).epoch(1))
        for start in (0, 3, len(whole)):
            resumed = source(pictures, cache, workers=workers, sampling=sampling)
            assert content(resumed.epoch(1, start=start)) == whole[start:]
        assert content(resumed.epoch(2, start=1)) == content(source(pictures, sampling=sampling).epoch(2))[1:]


def test_the_cut_of_an_image_is_its_own(pictures: Pictures) -> None:
    """It depends on seed, epoch and row: not on the batch size, nor on the number of processes."""

    def by_row(batches: Iterable[Batch]) -> dict[int, bytes]:
        return {
            row: image.numpy().tobytes()
            for batch in batches
            for row, image in zip(batch.rows.tolist(), batch.images, strict=True)
        }

    alone = by_row(source(pictures).epoch(5))
    assert len(alone) == N
    assert by_row(source(pictures, batch_size=13).epoch(5)) == alone
    shares = [by_row(source(pictures, batch_size=13, rank=rank, world=2).epoch(5)) for rank in (0, 1)]
    assert not shares[0].keys() & shares[1].keys()
    assert shares[0] | shares[1] == alone
    other = by_row(source(pictures).epoch(6))
    assert sum(other[row] != alone[row] for row in alone) > N / 2  # the control


def test_a_row_drawn_twice_in_an_epoch_is_cut_anew(pictures: Pictures) -> None:
    views: dict[int, set[bytes]] = {}
    for batch in source(pictures, sampling="balanced").epoch(0):
        for row, image in zip(batch.rows.tolist(), batch.images, strict=True):
            views.setdefault(row, set()).add(image.numpy().tobytes())
    assert max(len(seen) for seen in views.values()) > 1


@pytest.mark.parametrize("workers", [0, 2])
def test_a_balanced_batch_decodes_no_more_than_it_holds(pictures: Pictures, decodes: Decodes, workers: int) -> None:
    batches = source(pictures, sampling="balanced", workers=workers)
    for number, batch in enumerate(batches.epoch(0), start=1):
        assert batch.groups.bincount().tolist() == [2, 2]
        assert batches.decoded <= 4 * number
    assert batches.decoded == decodes.total()
    assert 4 * len(batches) - batches.decoded <= 2  # a row of the small group twice in a batch, decoded once


def test_throwing_images_away_decodes_more(pictures: Pictures, decodes: Decodes) -> None:
    """The control, and the count of decodes is one: batches cut down to their smaller group."""
    kept = 0
    for batch in source(pictures, batch_size=10).epoch(0):
        kept += 2 * int(batch.groups.bincount(minlength=2).min())
    assert decodes.total() == N
    assert kept <= 12


class Recorded(Pictures):
    """Writes down the process too."""

    def image(self, image_id: str) -> np.ndarray:
        self.decodes.note([f"{image_id}:{os.getpid()}"])
        return self.made[image_id]


def test_kept_images_are_decoded_once(pictures: Pictures, decodes: Decodes) -> None:
    for workers in (0, 1):
        before = decodes.total()
        batches = source(pictures, "auto", TransformOptions(crop=8), workers=workers)
        for epoch in range(3):
            list(batches.epoch(epoch))
        assert batches.decoded == N
        assert decodes.total() - before == N + 1  # one told the size


@pytest.mark.parametrize("sampling", ["natural", "balanced"])
def test_images_that_come_out_larger_than_the_first_are_decoded_once_an_epoch(decodes: Decodes, sampling: str) -> None:
    """The first image promises that all fit; twice as wide, half of them do. Processes decode the rest, ever after."""
    made = noise(1, 12, 12) | {name: image for name, image in noise(100, 12, 24).items() if name != "i000"}
    pictures, groups = Recorded(made, decodes), [row % 2 for row in range(100)]
    room = 100 * 12 * 12 * 3

    def images(cache: str) -> Images:
        return Images(pictures, table(100, groups), cache=cache, cache_bytes=room)

    options = {"batch_size": 5, "train": True, "seed": 3, "sampling": sampling}
    bare = Batches(images("none"), TransformOptions(crop=10), **options)
    batches = Batches(images("auto"), TransformOptions(crop=10), workers=2, **options)
    assert batches._prepared.keeps  # decodes the first image for its size
    for epoch in range(3):
        expected = content(bare.epoch(epoch))
        decodes.path.write_text("")
        assert content(batches.epoch(epoch)) == expected
        counts = Counter(line.split(":")[0] for line in decodes.path.read_text().split())
        where = {int(line.split(":")[1]) for line in decodes.path.read_text().split()}
        assert max(counts.values()) == 1
        assert os.getpid() not in where
        if epoch:
            assert 40 < counts.total() < 60  # the others are kept
            assert len(where) == 2
    assert sum(image.nbytes for image in batches._prepared._kept.values()) <= room
    batches.close()


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("cache", ["none", "memory"])
def test_evaluation_over_processes_has_every_row_once(pictures: Pictures, world: int, cache: str) -> None:
    parts = [source(pictures, cache, train=False, rank=rank, world=world, workers=1) for rank in range(world)]
    rows = [[row for batch in part.epoch(0) for row in batch.rows.tolist()] for part in parts]
    assert rows == [list(range(rank, N, world)) for rank in range(world)]
    assert sum(part.decoded for part in parts) == N
    assert [len(part) for part in parts] == [-(-len(share) // 4) for share in rows]


@pytest.mark.parametrize(("cache", "workers"), [("none", 0), ("none", 2), ("memory", 0), ("memory", 2)])
def test_a_bad_image_stops_with_its_line_or_is_left_out(decodes: Decodes, cache: str, workers: int) -> None:
    pictures = Pictures(noise(N, 14, 17), decodes, broken=("i005", "i017"))
    line = "image 'i005': /data/i005.jpg: expected an image, found an empty file; restore the file"
    with pytest.raises(InputError) as caught:
        list(source(pictures, cache, train=False, workers=workers).epoch(0))
    assert str(caught.value) == line
    batches = source(pictures, cache, train=False, workers=workers, on_bad_image="skip")
    for _ in range(2):
        seen = list(batches.epoch(0))
        assert [row for batch in seen for row in batch.rows.tolist()] == sorted({*range(N)} - {5, 17})
        assert [len(batch) for batch in seen] == [4, 3, 4, 4, 3, 4, 2]
        assert batches.skipped == 2
        assert batches.skipped_rows.tolist() == [5, 17]
    whole = source(Pictures(pictures.made, decodes), sampling="balanced")
    without = source(pictures, cache, sampling="balanced", workers=workers, on_bad_image="skip")
    for one, other in zip(whole.epoch(0), without.epoch(0), strict=True):  # the others come as they would have
        good = ~np.isin(one.rows.numpy(), [5, 17])
        assert torch.equal(one.rows[good], other.rows)
        assert torch.equal(one.images[good], other.images)


def test_batches_of_bad_images(decodes: Decodes) -> None:
    pictures = Pictures(noise(N, 14, 17), decodes, broken=[f"i{row:03d}" for row in range(8)])
    seen = list(source(pictures, train=False, on_bad_image="skip").epoch(0))
    assert [len(batch) for batch in seen] == [4, 4, 4, 4, 2]
    pictures = Pictures(noise(N, 14, 17), decodes, broken=[f"i{row:03d}" for row in range(1, N)])
    with pytest.raises(InputError) as caught:
        list(source(pictures, on_bad_image="skip").epoch(0))
    assert str(caught.value) == (
        "labels.csv: batch 0 of epoch 0: expected 2 images or more, found 0 beside 4 that cannot be read; restore the "
        "images, or take their rows out of the labels"
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_images_of_other_sizes(decodes: Decodes, workers: int) -> None:
    pictures = Pictures(noise(N) | {"i009": noise(1, 12, 15)["i000"]}, decodes)
    with pytest.raises(InputError) as caught:
        list(source(pictures, transform=TransformOptions(), train=False, workers=workers).epoch(0))
    assert str(caught.value) == (
        "image 'i009': expected 12 by 12 pixels, as the first image has, found 12 by 15; set crop, with a resize as "
        "large or larger"
    )
    with pytest.raises(InputError) as caught:
        list(source(pictures, transform=TransformOptions(crop=13), train=False, workers=workers).epoch(0))
    assert str(caught.value) == (
        "image 'i000': expected 13 by 13 pixels or more, to crop, found 12 by 12; set resize to 13 or more, or a "
        "smaller crop"
    )
    assert len(list(source(pictures, transform=TransformOptions(crop=12), train=False).epoch(0))) == 7


@pytest.mark.parametrize(("cache", "workers"), [("none", 0), ("none", 2), ("memory", 2)])
def test_an_epoch_that_is_left_leaves_nothing_behind(pictures: Pictures, cache: str, workers: int) -> None:
    batches = source(pictures, cache, workers=workers)
    epoch = batches.epoch(0)
    next(epoch)
    next(epoch)
    assert [thread for thread in threading.enumerate() if thread.name == "steelyard-batches"]
    assert bool(_children()) == bool(workers)
    epoch.close()
    _nothing_runs()
    assert content(batches.epoch(0)) == content(source(pictures).epoch(0))
    for _ in batches.epoch(1):
        break  # the generator goes with its last reference
    _nothing_runs()


def _nothing_runs() -> None:
    assert not [thread for thread in threading.enumerate() if thread.name == "steelyard-batches"]
    assert not _children()


def _children() -> set[int | None]:
    """Processes of ours: joblib keeps its own, from other tests, for some minutes."""
    return {child.pid for child in multiprocessing.active_children() if not child.name.startswith("Loky")}


def test_processes_stay_for_the_next_epoch_until_closed(pictures: Pictures) -> None:
    batches = source(pictures, workers=2)
    list(batches.epoch(0))
    first = _children()
    list(batches.epoch(1))
    assert _children() == first
    assert len(first) == 2
    batches.close()
    _nothing_runs()


def test_more_processes_than_cores_are_the_callers_choice(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    with pytest.warns(UserWarning, match="This DataLoader will create"):
        torch.utils.data.DataLoader(range(4), num_workers=2)  # type: ignore[arg-type]
    batches = source(pictures, workers=2)
    assert content(batches.epoch(0)) == content(source(pictures).epoch(0))
    batches.close()


def test_two_epochs_at_once(pictures: Pictures) -> None:
    batches = source(pictures, workers=1)
    both = list(zip(batches.epoch(0), batches.epoch(1), strict=True))
    assert content(one for one, _ in both) == content(source(pictures).epoch(0))
    assert content(other for _, other in both) == content(source(pictures).epoch(1))


def test_what_is_kept_does_not_travel_to_other_processes(pictures: Pictures) -> None:
    prepared = Images(pictures, table(N), cache="memory").prepared(11)
    taken = prepared.take(np.arange(N))
    copy = pickle.loads(pickle.dumps(prepared))
    assert len(pickle.dumps(prepared)) < len(pickle.dumps((pictures, taken.images)))
    again = copy.take(np.arange(N))
    assert (taken.decoded, again.decoded, prepared.take(np.arange(N)).decoded) == (N, N, 0)
    assert all((one == other).all() for one, other in zip(taken.images, again.images, strict=True))


def test_the_streams_of_training_stay_untouched(pictures: Pictures) -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    for cache, workers in (("none", 0), ("none", 1), ("memory", 1)):
        list(source(pictures, cache, workers=workers).epoch(0))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tobytes() == before[1]  # noqa: NPY002


class Clock:
    """Goes on when told."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Slow(Pictures):
    """Each image takes a second of the clock."""

    clock = Clock()

    def image(self, image_id: str) -> np.ndarray:
        self.clock.now += 1
        return super().image(image_id)


def test_only_waiting_counts_as_waiting(decodes: Decodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steelyard.training.batches.time", Slow.clock)
    batches = source(Slow(noise(N, 14, 17), decodes))
    epoch = batches.epoch(0)
    next(epoch)
    assert 4 <= batches.waited_s <= 12  # four images, and what the thread has made ahead by then
    for number in (2, 3):
        while decodes.total() < 4 * (number + 1):  # the thread makes two batches ahead
            time.sleep(0.001)
        Slow.clock.now += 1000  # the training is busy
        next(epoch)
        assert batches.waited_s < 30
    epoch.close()


class Dying(Pictures):
    """Takes its process with it."""

    def image(self, image_id: str) -> np.ndarray:
        if image_id == "i009":
            os._exit(1)
        return super().image(image_id)


def test_a_lost_process_is_told_in_one_line(decodes: Decodes) -> None:
    dying = Dying(noise(N, 14, 17), decodes)
    with pytest.raises(SteelyardError) as caught:
        list(source(dying, train=False, workers=1).epoch(0))
    assert str(caught.value) == (
        "workers: a process that reads images has ended before its time (killed, perhaps for want of memory); take "
        "fewer workers, or 0 to see its error"
    )


class Faulty(Pictures):
    """A fault of the code, not of the image."""

    def image(self, image_id: str) -> np.ndarray:
        raise ZeroDivisionError("a fault")


@pytest.mark.parametrize("workers", [0, 1])
def test_faults_come_through(decodes: Decodes, workers: int) -> None:
    with pytest.raises(ZeroDivisionError, match="a fault"):
        list(source(Faulty(noise(N), decodes), workers=workers, on_bad_image="skip").epoch(0))


def test_a_thread_stays_no_further_ahead_than_told() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = ahead(numbers(), 2)
    assert next(items) == 0
    time.sleep(0.05)
    assert len(made) <= 3
    items.close()
    assert len(made) <= 3


def test_options_are_checked(pictures: Pictures) -> None:
    for options, said in (
        ({"batch_size": 1}, "batch size: expected 2 or more on each process, found 1; raise it"),
        ({"batch_size": 0, "train": False}, "batch size: expected 1 or more on each process, found 0; raise it"),
        ({"rank": 2, "world": 2}, "expected a rank below the number of processes and workers ≥ 0, found rank 2 of 2"),
        ({"workers": -1}, "found rank 0 of 1 with -1 workers"),
        ({"batch_size": 20, "world": 3}, r"labels.csv: expected training images for a batch of each of 3 processes"),
        ({"batch_size": 20, "world": 3}, "found 26; lower the batch size or the number of processes"),
        ({"labels": table(1)}, "labels.csv: expected 2 training images or more, 2 for each process, found 1; add some"),
        ({"world": 14}, "expected 28 training images or more, 2 for each process, found 26; add some, or lower the"),
        ({"sampling": "balanced", "labels": table(N, [0] * N)}, "found none of 'q'; add some"),
    ):
        with pytest.raises(InputError) as caught:
            source(pictures, **options)
        assert said in str(caught.value)
    batches = source(pictures)
    for epoch, start in ((-1, 0), (0, 8), (0, -1)):
        with pytest.raises(InputError, match=r"expected epoch ≥ 0 and 0 ≤ start ≤ 7, found "):
            batches.epoch(epoch, start=start)
