"""What a person sees of the demo: a bar for each model where someone watches, plain lines where stderr is a file."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from steelyard.jobs.demo_lanes import Watch, Work

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_EVERY = 15.0
"""Seconds between two plain lines of one piece of work."""


class Lines(Watch):
    """A line when work begins, now and then while it goes on, and when it is done."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._begun: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def begun(self, work: Work) -> None:
        """As `Watch`."""
        self._begun[work.name] = self._last[work.name] = time.monotonic()
        self._say(f"{work.name}: begins")

    def far(self, work: Work, last: Mapping[str, Any]) -> None:
        """As `Watch`."""
        now = time.monotonic()
        if now - self._last[work.name] >= _EVERY:
            self._last[work.name] = now
            self._say(f"{work.name}: {far_text(work, last)}")

    def done(self, work: Work, result: Any) -> None:
        """As `Watch`."""
        self._say(f"{work.name}: done in {time.monotonic() - self._begun[work.name]:.0f} s")

    def _say(self, line: str) -> None:
        print(f"[{time.monotonic() - self._start:5.1f} s] {line}", file=sys.stderr, flush=True)


class Bars(Watch):
    """A bar for each piece of work, and one for all of it."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._all = bars.add_task("the demo", total=None, note="")
        self._tasks: dict[str, TaskID] = {}

    def expect(self, works: int) -> None:
        """As `Watch`."""
        self._bars.update(self._all, total=works)

    def begun(self, work: Work) -> None:
        """As `Watch`."""
        self._tasks[work.name] = self._bars.add_task(f"  {work.name}", total=len(work.steps) or work.epochs, note="")

    def far(self, work: Work, last: Mapping[str, Any]) -> None:
        """As `Watch`."""
        self._bars.update(self._tasks[work.name], completed=epochs_done(last), note=far_text(work, last))

    def done(self, work: Work, result: Any) -> None:
        """As `Watch`."""
        task = self._tasks.pop(work.name)
        self._bars.remove_task(task)
        self._bars.update(self._all, advance=1)
        self._bars.console.print(f"[green]✓[/green] {work.name}", highlight=False)


def epochs_done(last: Mapping[str, Any]) -> int:
    """Steps done, or epochs of stage `all` that the last line of a log tells of: an epoch's end has `val`."""
    if "done" in last:
        return int(last["done"])
    return int(last["epoch"]) + ("val" in last) if last["stage"] == "all" else 0


def far_text(work: Work, last: Mapping[str, Any]) -> str:
    """How far work is, in words."""
    if work.steps:
        return f"{last['stage']}, {last['done']} of {len(work.steps)} steps done"
    if last["stage"] != "all":
        return "its critic learns"
    if epochs_done(last) == work.epochs:
        return "predicting and auditing"
    return f"epoch {int(last['epoch']) + 1} of {work.epochs}, {last['images_per_s']:,.0f} images/s"


@contextmanager
def on_stderr(*, quiet: bool = False) -> Iterator[Watch]:
    """A watch on stderr: live where it is a terminal, plain lines elsewhere, nothing when quiet."""
    if quiet:
        yield Watch()
    elif not sys.stderr.isatty():
        yield Lines()
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            yield Bars(bars)
