"""The command: one verb per file, each builds its options and calls one job."""

from steelyard.cli.main import main

__all__ = ["main"]
