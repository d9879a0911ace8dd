"""The files that a data set consists of: found, or named with the place where they belong."""

from collections.abc import Sequence
from pathlib import Path

from steelyard.base.errors import InputError
from steelyard.tables.messages import complaint


def require_folder(root: Path, *, layout: str) -> None:
    """Raise an `InputError` where `root` is no folder."""
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing of this name"
        do = "correct the path"
        raise InputError(complaint(str(root), "", expected=f"a folder in the layout of {layout}", found=found, do=do))


def first_of(root: Path, *places: str) -> Path:
    """The first of these places under `root` that is there, else the first."""
    return next((root / place for place in places if (root / place).exists()), root / places[0])


def require_files(root: Path, files: Sequence[Path], *, layout: str, source: str) -> None:
    """Raise an `InputError` that names every one of `files` that is not there.

    Args:
        root: the data set's folder.
        files: what labels are read from, each under `root`.
        layout: the data set and its layout, for the message.
        source: where the missing files come from, for the message.
    """
    missing = [str(file.relative_to(root)) for file in files if not file.exists()]
    if missing:
        found, do = f"no {', no '.join(missing)}", f"put {'it' if len(missing) == 1 else 'them'} there from {source}"
        raise InputError(complaint(str(root), "", expected=layout, found=found, do=do))
