"""Batches of images with their labels: the engine's source of data.

Images come from memory where they fit there, otherwise from worker processes, otherwise from a thread; the batches are
the same, byte for byte.
"""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steelyard.base.errors import InputError
from steelyard.base.random import stream
from steelyard.tables.messages import quoted
from steelyard.training.ahead import Processes, ahead, loss_of_worker
from steelyard.training.images import Filler, Images, Prepared
from steelyard.training.objective import Batch, Sampling
from steelyard.training.sampling import Rows, balanced_batches, evaluation_batches, natural_batches, share_of
from steelyard.training.transforms import DRAWS, Pixels, TransformOptions, cut

_AHEAD = 2


@dataclass(frozen=True, slots=True)
class _Pick:
    """What one batch is made of: `[b]` rows, and `[b, 3]` numbers for the crops, None in evaluation."""

    number: int
    rows: Rows
    draws: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class _Made:
    """A batch before its labels: `[m, h, w, 3]` uint8 of `[m]` rows."""

    number: int
    pixels: Tensor
    rows: Tensor
    bad: tuple[int, ...]
    decoded: int


class Batches:
    """Batches of the images of one table, for one process (a `BatchSource`).

    The rows of an epoch are a function of the seed and the epoch; so are the crop and the mirroring of each image (with
    balanced sampling, of each time that it is drawn). Neither depends on the workers, on where an epoch was resumed,
    or on the number of processes.
    """

    def __init__(
        self,
        images: Images,
        transform: TransformOptions,
        *,
        batch_size: int,
        train: bool,
        seed: int,
        sampling: Sampling = "natural",
        drop_last: bool = True,
        workers: int = 0,
        rank: int = 0,
        world: int = 1,
        pin_memory: bool = False,
    ) -> None:
        """Nothing is decoded yet.

        Args:
            images: by row of their table; several sources may share them, and what they keep in memory.
            transform: how they are brought to one size.
            batch_size: images of a batch of this process, 2 or more in training.
            train: draw rows, crops and mirroring; otherwise every row once, in order, cut from the middle.
            seed: of the run, 0 or more.
            sampling: `natural`, or `balanced`: equally many of each group in every training batch.
            drop_last: in natural training, leave out a short last batch, unless it is the only one.
            workers: processes that decode; 0 decodes in a thread of this process.
            rank: number of this process.
            world: processes that train together.
            pin_memory: put batches where CUDA copies them from without waiting; ignored where there is none.

        Raises:
            InputError: an option out of its range; fewer training batches than processes; no row of a group.
        """
        least = 2 if train else 1
        if batch_size < least:
            raise InputError(f"batch size: expected {least} or more on each process, found {batch_size}; raise it")
        if not 0 <= rank < world or workers < 0:
            given = f"rank {rank} of {world} with {workers} workers"
            raise InputError(f"batches: expected a rank below the number of processes and workers ≥ 0, found {given}")
        self.images, self.transform = images, transform
        self._batch_size, self._train, self._seed, self._sampling = batch_size, train, seed, sampling
        self._drop_last, self._workers, self._rank, self._world = drop_last, workers, rank, world
        self._device = torch.cuda.current_device() if pin_memory and torch.cuda.is_available() else None
        self._prepared = images.prepared(transform.resize)
        table = images.table
        kind = np.float32 if table.kind == "multi" else np.int64
        self._targets = torch.from_numpy(table.targets.astype(kind))
        self._groups = torch.from_numpy(table.groups.astype(np.int64))
        self._processes: Processes[_Pick, _Made] | None = None
        self._waited, self._decoded = 0.0, 0
        self._bad: set[int] = set()
        self._length = len(self._picks(0))
        if train and not self._length:
            raise self._too_few()

    def __len__(self) -> int:
        return self._length

    @property
    def waited_s(self) -> float:
        """Seconds that the caller has waited for batches; what was made while it was busy does not count."""
        return self._waited

    @property
    def decoded(self) -> int:
        """Images decoded for the batches so far."""
        return self._decoded

    @property
    def skipped(self) -> int:
        """Images left out so far because they cannot be read; each counts once."""
        return len(self._bad)

    @property
    def skipped_rows(self) -> Rows:
        """`[s]` the rows of the images left out so far, ascending."""
        return np.array(sorted(self._bad), dtype=np.int64)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the images in a batch.

        Raises:
            InputError: there is no crop, and no image that can be read.
        """
        crop = self.transform.crop
        return (crop, crop) if crop is not None else self._prepared.size

    def epoch(self, epoch: int, *, start: int = 0) -> Generator[Batch, None, None]:
        """The batches of an epoch.

        Bad images that are skipped leave their batch shorter; an evaluation batch of bad images only does not come.

        Args:
            epoch: from 0.
            start: leave out the batches before this one.

        Raises:
            InputError: a bad image that is not to be skipped, images of different sizes, or fewer than two images of a
                training batch that can be read.
            SteelyardError: a worker process was lost.
        """
        if epoch < 0 or not 0 <= start <= len(self):
            raise InputError(f"batches: expected epoch ≥ 0 and 0 ≤ start ≤ {len(self)}, found {epoch} and {start}")
        return self._timed(self._epoch(epoch, start))

    def close(self) -> None:
        """End the worker processes that wait for the next epoch; they start again when they are needed."""
        if self._processes is not None:
            self._processes.close()
            self._processes = None

    def _timed(self, batches: Generator[Batch, None, None]) -> Generator[Batch, None, None]:
        try:
            while True:
                began = time.perf_counter()
                try:
                    batch = next(batches, None)
                except RuntimeError as error:
                    if (lost := loss_of_worker(error)) is None:
                        raise
                    raise lost from error
                finally:
                    self._waited += time.perf_counter() - began
                if batch is None:
                    return
                yield batch
        finally:
            batches.close()

    def _epoch(self, epoch: int, start: int) -> Generator[Batch, None, None]:
        picks = self._picks(epoch)[start:]
        processes: Processes[_Pick, _Made] | None = None
        filler: Filler | None = None
        made: Iterator[_Made]
        if self._workers and (self._prepared.full or not self._prepared.keeps):
            # Taken, so that an epoch begun before this one has ended gets processes of its own.
            processes, self._processes = self._processes or Processes(self._maker(self._prepared), self._workers), None
            made = processes.run(picks)
        else:
            needed = np.concatenate([pick.rows for pick in picks]) if picks else np.empty(0, dtype=np.int64)
            if self._workers and self._prepared.lacks(needed):
                filler = self._prepared.filler(needed, self._workers)
            made = map(self._maker(filler or self._prepared), picks)
        batches = ahead(map(self._labelled, made), _AHEAD)
        try:
            for one, batch in batches:
                self._decoded += one.decoded
                self._bad.update(one.bad)
                self._require_enough(one, epoch)
                if len(batch):
                    yield batch
            self._processes, processes = processes, self._processes
        finally:
            batches.close()
            for helper in (processes, filler):
                if helper is not None:
                    helper.close()

    def _maker(self, source: Prepared | Filler) -> "_Maker":
        return _Maker(source, self.transform, self.size)

    def _labelled(self, made: _Made) -> tuple[_Made, Batch]:
        images = torch.empty(made.pixels.shape)
        # By numpy, in this thread alone: torch would start a second team of threads beside that of the training.
        np.divide(made.pixels.numpy(), np.float32(255), out=images.numpy(), dtype=np.float32)
        rows = made.rows
        parts = images.permute(0, 3, 1, 2), self._targets[rows], self._groups[rows], rows
        if self._device is not None:
            with torch.cuda.device(self._device):
                return made, Batch(*(part.pin_memory() for part in parts))
        return made, Batch(*parts)

    def _too_few(self) -> InputError:
        n, world, name = len(self.images), self._world, self.images.table.source
        least = 2 if self._sampling == "natural" else max(2, len(self.images.table.group_names))
        if n < least * world:
            do = "add some" if world == 1 else "add some, or lower the number of processes"
            expected = f"{least * world} training images or more, {least} for each process"
            return InputError(f"{name}: expected {expected}, found {n:,}; {do}")
        expected = f"training images for a batch of each of {world} processes (batch size {self._batch_size})"
        do = "lower the batch size or the number of processes"
        return InputError(f"{name}: expected {expected}, found {n:,}; {do}")

    def _require_enough(self, made: _Made, epoch: int) -> None:
        if self._train and len(made.rows) < 2:
            found = f"{len(made.rows)} beside {len(made.bad)} that cannot be read"
            raise InputError(
                f"{self.images.table.source}: batch {made.number} of epoch {epoch}: expected 2 images or more, found "
                f"{found}; restore the images, or take their rows out of the labels"
            )

    def _picks(self, epoch: int) -> list[_Pick]:
        n, b, seed = len(self.images), self._batch_size, self._seed
        if not self._train:
            batches = evaluation_batches(n, batch_size=b, rank=self._rank, world=self._world)
            return [_Pick(number, rows, None) for number, rows in enumerate(batches)]
        if self._sampling == "natural":
            batches = natural_batches(n, batch_size=b, seed=seed, epoch=epoch, drop_last=self._drop_last)
        else:
            table = self.images.table
            names = table.group_names
            batches = balanced_batches(table.groups, names=names, batch_size=b, seed=seed, epoch=epoch)
        # One line of draws for each place in the epoch's order, over all processes.
        ends = np.cumsum([0, *map(len, batches)])
        draws = np.split(stream(seed, "transform", epoch).random((int(ends[-1]), DRAWS)), ends[1:-1])
        shared = share_of(list(zip(batches, draws, strict=False)), rank=self._rank, world=self._world)
        return [_Pick(number, rows, drawn) for number, (rows, drawn) in enumerate(shared)]


class _Maker:
    """Makes the pixels of a batch, in whatever process."""

    def __init__(self, source: Prepared | Filler, transform: TransformOptions, size: tuple[int, int]) -> None:
        self._source, self._transform, self._size = source, transform, size

    def __call__(self, pick: _Pick) -> _Made:
        taken = self._source.take(pick.rows)
        draws = None if pick.draws is None else pick.draws[~np.isin(pick.rows, taken.bad)]
        shift, flip = self._transform.shift, self._transform.flip
        made = np.empty((len(taken.images), *self._size, 3), dtype=np.uint8)
        for at, image in enumerate(taken.images):
            self._require_size(image, int(taken.rows[at]))
            cut(image, made[at], shift=shift, draw=None if draws is None else draws[at], flip=flip)
        return _Made(pick.number, torch.from_numpy(made), torch.from_numpy(taken.rows), taken.bad, taken.decoded)

    def _require_size(self, image: Pixels, row: int) -> None:
        found, crop = image.shape[:2], self._transform.crop
        if found == self._size or (crop is not None and min(found) >= crop):
            return
        height, width = self._size
        expected, do = (
            f"{height} by {width} pixels, as the first image has",
            "set crop, with a resize as large or larger",
        )
        if crop is not None:
            expected, do = (
                f"{crop} by {crop} pixels or more, to crop",
                f"set resize to {crop} or more, or a smaller crop",
            )
        name = quoted(self._source.images.table.ids[row])
        raise InputError(f"image {name}: expected {expected}, found {found[0]} by {found[1]}; {do}")
