"""What a person sees of a training run: a live bar where someone watches, plain lines where stderr is a file."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_EVERY = 30.0
"""Seconds between two plain lines of one epoch."""


class Display(Protocol):
    """Told what training does."""

    def begin(self, name: str, batches: int, *, done: int = 0) -> None:
        """An epoch, or a validation, of so many batches begins; some may be done already."""
        ...

    def advance(self, images: int) -> None:
        """One more batch is done, of so many images."""
        ...

    def note(self, text: str) -> None:
        """What stands beside the bar from now on: the losses."""
        ...

    def say(self, line: str) -> None:
        """Something that stays: the figures of an epoch, the end."""
        ...


class Silent:
    """Says nothing."""

    def begin(self, name: str, batches: int, *, done: int = 0) -> None:
        """Nothing."""

    def advance(self, images: int) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""


class Plain:
    """A line for what stays, and one now and then within a long epoch."""

    def __init__(self) -> None:
        self._start = self._last = self._begun = time.monotonic()
        self._name, self._batches, self._done, self._images, self._note = "", 0, 0, 0, ""

    def begin(self, name: str, batches: int, *, done: int = 0) -> None:
        """As `Display`."""
        self._name, self._batches, self._done, self._images, self._note = name, batches, done, 0, ""
        self._last = self._begun = time.monotonic()

    def advance(self, images: int) -> None:
        """As `Display`."""
        self._done, self._images = self._done + 1, self._images + images
        now = time.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            speed = self._images / (now - self._begun)
            self.say(f"{self._name}: batch {self._done:,} of {self._batches:,}, {speed:,.0f} images/s {self._note}")

    def note(self, text: str) -> None:
        """As `Display`."""
        self._note = text

    def say(self, line: str) -> None:
        """As `Display`."""
        print(f"[{time.monotonic() - self._start:5.1f} s] {line.rstrip()}", file=sys.stderr, flush=True)


class Live:
    """A bar with images per second, time left and losses."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._images, self._begun = 0, time.monotonic()

    def begin(self, name: str, batches: int, *, done: int = 0) -> None:
        """As `Display`."""
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._images, self._begun = 0, time.monotonic()
        self._task = self._bars.add_task(name, total=batches, completed=done, speed="", note="")

    def advance(self, images: int) -> None:
        """As `Display`."""
        if self._task is None:
            return
        self._images += images
        speed = self._images / max(time.monotonic() - self._begun, 1e-9)
        self._bars.update(self._task, advance=1, speed=f"{speed:,.0f} images/s")

    def note(self, text: str) -> None:
        """As `Display`."""
        if self._task is not None:
            self._bars.update(self._task, note=text)

    def say(self, line: str) -> None:
        """As `Display`."""
        self._bars.console.print(line, markup=False, highlight=False)


@contextmanager
def on_stderr(*, quiet: bool = False) -> Iterator[Display]:
    """A display on stderr: live where it is a terminal, plain lines elsewhere, nothing when quiet."""
    if quiet:
        yield Silent()
    elif not sys.stderr.isatty():
        yield Plain()
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            yield Live(bars)
