"""Files that are whole or not there: written under another name, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from steelyard.base.errors import InputError


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """A path beside a file, to write to; it takes the file's place at the end, and goes where the work fails.

    Raises:
        OSError: it cannot be put in its place.
    """
    # In the same folder, so that the last step is a rename and not a copy.
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def drafts_in(folder: Path) -> Iterator[Path]:
    """A folder to write files to that belong together; they take their places at the end, all or none.

    Args:
        folder: where they go, by the same names; made if need be.

    Raises:
        InputError: a file cannot be written or put in its place. Files that were there stay as they are.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".drafts.", dir=folder, ignore_cleanup_errors=True) as made:
            try:
                yield Path(made)
            except InputError as error:
                # Who reads it knows nothing of drafts.
                raise type(error)(str(error).replace(made, str(folder))) from error
            for draft in sorted(Path(made).iterdir()):
                if (folder / draft.name).is_dir():
                    raise InputError(f"{folder / draft.name}: expected a file to replace, found a folder; move it")
            for draft in sorted(Path(made).iterdir()):
                draft.replace(folder / draft.name)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror or error}); check the folder and its space"
        ) from error
