"""What a run writes down: `metrics.jsonl`, one object a line, and the same for TensorBoard."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from steelyard.base.errors import InputError
from steelyard.training.processes import not_finite, of_all
from steelyard.training.sources import BatchSource

if TYPE_CHECKING:
    from lightning.fabric import Fabric
    from torch.utils.tensorboard import SummaryWriter as TensorBoard


class RunLog:
    """Appends to a run's log; in processes other than the first it writes nothing."""

    def __init__(self, run: Path | None, *, keep: int = 0, step: int = 0) -> None:
        """Open the log, and forget what was written after the checkpoint that training goes on from.

        Args:
            run: the run folder; None writes nothing.
            keep: bytes of `metrics.jsonl` that the checkpoint knew.
            step: of that checkpoint.

        Raises:
            InputError: the folder cannot be written to.
        """
        self._path = None if run is None else run / "metrics.jsonl"
        self._file: int | None = None
        self._board: TensorBoard | None = None
        if run is None or self._path is None:
            return
        try:
            run.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            os.ftruncate(self._file, min(keep, os.fstat(self._file).st_size))
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written ({error.strerror}); name another folder") from None
        from torch.utils.tensorboard import SummaryWriter  # half a second, in the first process only

        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=step or None)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one line: `step`, and names or groups of names → values.

        Raises:
            InputError: the disk is full.
        """
        if self._file is None or self._board is None:
            return
        line = json.dumps(record, allow_nan=False) + "\n"
        try:
            os.write(self._file, line.encode())
            for name, value in record.items():
                for tag, number in value.items() if isinstance(value, Mapping) else [("", value)]:
                    if isinstance(number, int | float) and name != "step":
                        self._board.add_scalar(f"{name}/{tag}".rstrip("/"), number, record["step"])
        except OSError as error:
            raise InputError(
                f"{self._path}: the log cannot be written ({error.strerror}); make room, then resume"
            ) from None

    def kept(self) -> int:
        """Bytes of `metrics.jsonl`, all of them on the disk."""
        if self._file is None:
            return 0
        os.fsync(self._file)
        return os.fstat(self._file).st_size

    def close(self) -> None:
        """Close the files."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._board is not None:
            self._board.close()
            self._board = None


class LossWindow:
    """The losses since the last line of the log, and the watch for one that is not finite.

    On a CPU in one process each step is looked at as it comes; elsewhere that would make the device wait, and all
    processes must stop together, so the window is looked at when it closes, before any checkpoint.
    """

    def __init__(self, fabric: "Fabric") -> None:
        self._fabric = fabric
        self._at_once = fabric.device.type == "cpu" and fabric.world_size == 1
        self._seen: list[tuple[int, list[str], Tensor]] = []

    def __bool__(self) -> bool:
        return bool(self._seen)

    def add(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Take in the losses of one step.

        Raises:
            InputError: one is not finite.
        """
        if not losses:
            return
        values = torch.stack([value.detach().float() for value in losses.values()])
        self._seen.append((step, list(losses), values))
        if self._at_once and not torch.isfinite(values).all():
            self.means()

    def means(self) -> dict[str, float]:
        """The mean of each loss over steps and processes; empties the window.

        Raises:
            InputError: a loss was not finite; names the first such step and loss.
        """
        if not self._seen:
            return {}
        names = sorted({name for _, some, _ in self._seen for name in some})
        place = {name: i for i, name in enumerate(names)}
        steps = [step for step, some, _ in self._seen for _ in some]
        where = [place[name] for _, some, _ in self._seen for name in some]
        values = torch.cat([values for _, _, values in self._seen]).double().cpu()
        self._seen.clear()
        bad = [(steps[i], where[i]) for i in torch.nonzero(~torch.isfinite(values)).flatten().tolist()]
        code = min((step * len(names) + name for step, name in bad), default=-1)
        sums = torch.zeros(len(names), 2, dtype=torch.float64)
        sums.index_add_(0, torch.tensor(where), torch.stack([values, torch.ones_like(values)], 1))
        codes = torch.tensor([code])
        sums, codes = of_all(self._fabric, sums).sum(0), of_all(self._fabric, codes).flatten()
        if (found := codes[codes >= 0]).numel():
            step, name = divmod(int(found.min()), len(names))
            raise not_finite(step, f"loss {names[name]!r}")
        return dict(zip(names, (sums[:, 0] / sums[:, 1]).tolist(), strict=True))


class Meter:
    """How fast training goes, and how long it waits for data; the time of validation does not count."""

    def __init__(self, source: BatchSource, processes: int) -> None:
        self._source, self._processes = source, processes
        self.images, self.seconds, self.waited = 0, 0.0, 0.0
        self._since = (0, 0.0, 0.0)
        self._began: tuple[float, float] | None = None

    def run(self) -> None:
        """The clock runs from here."""
        self._began = (time.perf_counter(), self._source.waited_s)

    def stop(self) -> None:
        """The clock stands from here."""
        self._take()
        self._began = None

    def add(self, images: int) -> None:
        """Count the images of a batch of this process, as many in the others."""
        self.images += images * self._processes

    def rates(self) -> tuple[float, float]:
        """Images per second and share of the time waited for data, since the last call."""
        self._take()
        images, seconds, waited = self._since
        self._since = (self.images, self.seconds, self.waited)
        return _rates(self.images - images, self.seconds - seconds, self.waited - waited)

    def total(self) -> tuple[float, float]:
        """The same for all of this session."""
        self._take()
        return _rates(self.images, self.seconds, self.waited)

    def _take(self) -> None:
        if self._began is not None:
            began, waited = self._began
            self.run()
            assert self._began is not None
            self.seconds += self._began[0] - began
            self.waited += self._began[1] - waited


def _rates(images: int, seconds: float, waited: float) -> tuple[float, float]:
    return (images / seconds, min(1.0, waited / seconds)) if seconds > 0 else (0.0, 0.0)
