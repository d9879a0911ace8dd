"""Where results go: checked before the work, written whole or not at all."""

import os
from pathlib import Path

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
