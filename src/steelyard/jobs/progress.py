"""Progress on stderr: a live line where someone watches, plain lines where the output goes to a file."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Told at the beginning of each stage of a job."""

    def __call__(self, stage: str) -> None:
        """Say what begins now."""
        ...


def silent(stage: str) -> None:
    """Says nothing."""


def in_lines(*, quiet: bool = False) -> Progress:
    """Report stages on stderr in plain lines, as a job that has a live display of its own needs it."""
    start = time.monotonic()

    def plain(stage: str) -> None:
        print(f"[{time.monotonic() - start:5.1f} s] {stage}", file=sys.stderr, flush=True)

    return silent if quiet else plain


@contextmanager
def on_stderr(*, quiet: bool = False) -> Iterator[Progress]:
    """Report stages on stderr, each with the seconds since the start."""
    if quiet or not sys.stderr.isatty():
        yield in_lines(quiet=quiet)
        return
    start = time.monotonic()
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("reading …") as status:
        before: list[str] = []

        def live(stage: str) -> None:
            if before:
                console.print(f"[green]✓[/green] {before[-1]} [dim]({time.monotonic() - start:.1f} s)[/dim]")
            before.append(stage)
            status.update(f"{stage} …")

        yield live
        if before:
            console.print(f"[green]✓[/green] {before[-1]} [dim]({time.monotonic() - start:.1f} s)[/dim]")
