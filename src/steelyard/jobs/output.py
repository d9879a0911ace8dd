"""Where results go: checked before the work, written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from steelyard.base.errors import InputError


def check_folder(folder: Path) -> Path:
    """Make the output folder and see that it can be written to, before minutes are spent.

    Raises:
        InputError: it is a file, or cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"--out {folder}: expected a folder, found a file; name another") from None
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be made ({error.strerror}); name another folder") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"--out {folder}: cannot be written to; name another folder")
    return folder


@contextmanager
def output_folder(folder: Path) -> Iterator[Path]:
    """The output folder, made and checked; where the work fails, empty folders that were made for it go again.

    Raises:
        InputError: it is a file, or cannot be made or written to.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield check_folder(folder)
    except BaseException:
        for path in made:
            with suppress(OSError):  # not empty: what was written whole stays
                path.rmdir()
        raise


def check_file(path: Path, *, inputs: tuple[Any, ...] = ()) -> Path:
    """See that an output file can be written, before minutes are spent.

    Args:
        path: the file, new or to be replaced.
        inputs: paths (or data frames, which are passed over) that it must not replace.

    Raises:
        InputError: it is a folder or one of the inputs, or its folder is not there or not writable.
    """
    folder = path.absolute().parent
    if path.is_dir():
        raise InputError(f"--out {path}: expected a file, found a folder; name a file in it")
    if not folder.is_dir():
        raise InputError(f"--out {path}: there is no folder {path.parent}; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"--out {path}: the folder {path.parent} cannot be written to; name another")
    for given in inputs:
        known = isinstance(given, str | Path) and path.exists() and Path(given).exists()
        if known and path.samefile(given):
            raise InputError(f"--out {path}: expected a new file, found the input itself; name another")
    return path
