"""Files that are whole or not there: written under another name, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
