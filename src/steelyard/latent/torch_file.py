"""Files of `torch.save` by others, read without running anything: tensors, plain containers and attributes of settings.

Such a file is a pickle, which can name any function and call it (https://docs.python.org/3/library/pickle.html). Here
every name in it is looked at before anything is made, and PyTorch's own restricted reader makes it
(https://docs.pytorch.org/docs/stable/notes/serialization.html#weights-only).
"""

import pickletools
import warnings
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any

import torch

from steelyard.base.errors import InputError
from steelyard.tables.messages import complaint, listed, one_line

_PLAIN = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch.nn.parameter", "Parameter"),
    ("torch", "Size"),
    ("torch", "device"),
}
_PARTS_OF_OLD_FILES = 5  # magic number, protocol, system, the object, names of the storages
_WHAT = "a file of torch.save with tensors and plain types"


class Bag:
    """What stands for an object of settings: its attributes, none of its code.

    Attributes:
        held: by name.
    """

    held: dict[str, Any]

    def __new__(cls) -> "Bag":
        """Without attributes."""
        made = super().__new__(cls)
        made.held = {}
        return made

    def __setstate__(self, state: object) -> None:
        """Take the attributes of the object in the file.

        Raises:
            UnpicklingError: they are no attributes.
        """
        if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
            raise UnpicklingError("an object of settings without plain attributes")
        self.held = dict(state)


def read_torch(path: str | Path, *, bags: Collection[str] = ()) -> Any:
    """What a file of `torch.save` holds, on the CPU.

    Args:
        path: the file, in the present format (zip) or the old one.
        bags: names of classes, whatever their module, whose objects become a `Bag`; the classes are never imported.

    Raises:
        InputError: no such file, a damaged one, or one that asks for anything but tensors, plain containers and these
            classes; names what it asked for. Nothing of it ran.
    """
    path = Path(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing of this name"
        raise InputError(complaint(str(path), "", expected=_WHAT, found=found, do="correct the path"))
    asked, damage = _asked_for(path)
    classes = {(module, name) for module, name in asked if name in bags}
    strange = sorted(f"{module}.{name}" for module, name in asked - classes - _PLAIN if not _is_storage(module, name))
    if strange:
        raise _refused(path, listed(strange))
    if damage is not None:
        raise _damaged(path, damage)
    stand_ins: list[Any] = [(Bag, f"{module}.{name}") for module, name in sorted(classes)]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins):
            # Said of pickles by other writers; whether they are plain is decided here.
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise _refused(path, f"more ({one_line(str(error).partition(chr(10))[0], longest=120)})") from None
    except Exception as error:  # a damaged file fails in any way: zip, pickle, storage, end of file
        raise _damaged(path, error) from error


def _is_storage(module: str, name: str) -> bool:
    return module in ("torch", "torch.storage") and name.endswith("Storage") and not name.startswith("_")


def _asked_for(path: Path) -> tuple[set[tuple[str, str]], Exception | None]:
    """Module and name of everything that the pickles of a file ask for, and what is wrong with them, if anything is.

    The pickles are parsed, not run. What a damaged one asks for before its damage counts, too.
    """
    asked: set[tuple[str, str]] = set()
    try:
        for one in _names(path):
            asked.add(one)
    except (ValueError, IndexError, KeyError, OSError, zipfile.BadZipFile) as error:
        return asked, error
    return asked, None


def _names(path: Path) -> Iterator[tuple[str, str]]:
    if not is_archive(path):
        with path.open("rb") as file:
            for _ in range(_PARTS_OF_OLD_FILES):
                yield from _names_in(file)
        return
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith(".pkl")]
        if not pickles:
            raise ValueError("an archive without a pickle")
        for name in pickles:
            with archive.open(name) as pickled:
                yield from _names_in(pickled)


def is_archive(path: Path) -> bool:
    """Whether PyTorch takes a file for its present format: by its first bytes, as other files may hold an archive."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _names_in(file: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Names in one pickle; the file stands behind it afterwards."""
    texts = ["", ""]
    for operation, argument, _ in pickletools.genops(file):
        if operation.name in ("GLOBAL", "INST"):
            module, _, name = str(argument).partition(" ")
            yield module, name
        elif operation.name == "STACK_GLOBAL":  # of newer pickles: both were said as texts before
            yield texts[-2], texts[-1]
        elif operation.name.startswith("EXT"):
            yield "copyreg", f"extension {argument}"
        elif isinstance(argument, str):
            texts = [texts[-1], argument]


def _refused(path: Path, asked: str) -> InputError:
    found = f"one that asks for {asked}, which is not made; nothing of it ran"
    return InputError(complaint(str(path), "", expected=_WHAT, found=found, do="do not trust it; give another file"))


def _damaged(path: Path, error: Exception) -> InputError:
    found = f"one that cannot be read ({one_line(error, longest=120)})"
    return InputError(complaint(str(path), "", expected=_WHAT, found=found, do="copy it afresh"))
