"""Where a report comes from: versions, seed, fingerprints of the input, command, date and duration."""

import hashlib
import platform
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from steelyard.base.errors import InputError

_PACKAGES = ("steelyard", "numpy", "scipy", "scikit-learn")


def fingerprint(path: str | Path) -> dict[str, str]:
    """Name (without folders) and sha256 of a file.

    Raises:
        InputError: the file cannot be read.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return {"name": path.name, "sha256": digest}


def versions() -> dict[str, str]:
    """Versions of Python and of what the figures rest on; a package that is not installed says so."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def without_folders(argument: str) -> str:
    """A command's argument with absolute paths cut to the file's name, so that no machine is named.

    >>> without_folders("--labels=/home/me/labels.csv")
    '--labels=labels.csv'
    """
    return re.sub(r"(^|=|@)(?:[A-Za-z]:[\\/]|/)(?:[^\\/]*[\\/])*", r"\1", argument) or argument


def provenance(
    *, seed: int, inputs: Iterable[str | Path] = (), command: str | Sequence[str] = (), duration_s: float = 0.0
) -> dict[str, Any]:
    """The record that a report carries about its own making.

    Args:
        seed: the run's seed.
        inputs: files that the figures come from; each is fingerprinted.
        command: what was run: the arguments, or the call in words.
        duration_s: seconds that the run took.

    Raises:
        InputError: an input cannot be read.
    """
    words = command if isinstance(command, str) else " ".join(without_folders(part) for part in command)
    return {
        "versions": versions(),
        "seed": int(seed),
        "fingerprints": [fingerprint(path) for path in inputs],
        "command": words,
        "duration_s": round(float(duration_s), 3),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
