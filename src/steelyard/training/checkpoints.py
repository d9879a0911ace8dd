"""Checkpoints of a run folder: written whole or not at all, read without running anything.

    RUN/checkpoints/index.json                  which checkpoint is the last, which the best
    RUN/checkpoints/step-00000120/weights.safetensors, state.pt

The index moves only after its checkpoint lies whole on the disk, and old checkpoints go only after the index moved.
"""

import io
import json
import os
import pickle
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from torch import Tensor, nn

from steelyard.base.errors import InputError
from steelyard.models.weights import read_weights, require_fit, require_metadata

Which = Literal["last", "best"]

_WEIGHTS, _STATE, _INDEX = "weights.safetensors", "state.pt", "index.json"
_BEGUN = "begun-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What `index.json` says.

    Attributes:
        last: folder of the last checkpoint.
        best: folder of the best one; None before there is one.
        step: of the last one.
        complete: whether training is over.
        monitor: what the best one is the best by.
        quality: of the best one, in [0, 1]; None without validation images.
        loss: of the best one.
    """

    last: str
    best: str | None
    step: int
    complete: bool
    monitor: str
    quality: float | None
    loss: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint as it was read.

    Attributes:
        path: its folder.
        model: name of the model that its weights belong to.
        weights: by name of parameter or buffer.
        state: everything else; plain types and tensors.
    """

    path: Path
    model: str
    weights: Mapping[str, Tensor]
    state: Mapping[str, Any]


def name_of(step: int) -> str:
    """The folder of the checkpoint of a step."""
    return f"step-{step:08d}"


def write_checkpoint(
    run: Path, index: Index, *, weights: Mapping[str, Tensor], model: str, state: Mapping[str, Any]
) -> None:
    """Write the checkpoint that the index calls the last, then the index, then drop what it no longer names.

    Raises:
        InputError: the state holds other things than plain types and tensors, or the disk is full or not writable;
            the checkpoint before it stands.
    """
    folder = run / "checkpoints"
    begun, final = folder / f"{_BEGUN}{index.last}", folder / index.last
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tidy(run)
        begun.mkdir()
        plain = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
        _write(begun / _WEIGHTS, safetensors.torch.save(plain, metadata={"model": model}))
        _write(begun / _STATE, _pickled(state))
        _sync(begun)
        begun.rename(final)
        _sync(folder)
        _replace(folder / _INDEX, json.dumps(asdict(index), indent=1).encode())
        tidy(run)
    except OSError as error:
        shutil.rmtree(begun, ignore_errors=True)
        stands = f"; {', '.join(sorted(_named(folder)))} stands" if _named(folder) else ""
        raise InputError(
            f"{final}: the checkpoint cannot be written ({error.strerror or error}){stands}; make room, then resume"
        ) from None


def tidy(run: Path) -> None:
    """Drop what the index does not name: what a run leaves that is killed between the two."""
    _drop(run / "checkpoints", keep=_named(run / "checkpoints"))


def read_index(run: Path) -> Index | None:
    """The index of a run folder; None where no checkpoint was ever written.

    Raises:
        InputError: it cannot be read or is not an index.
    """
    path = run / "checkpoints" / _INDEX
    try:
        return Index(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the file") from None
    except (ValueError, TypeError):
        raise InputError(
            f"{path}: expected the index of a run's checkpoints, found something else; restore it"
        ) from None


def read_checkpoint(run: Path, which: Which) -> Checkpoint:
    """The last or the best checkpoint of a run folder; the last where none is the best yet.

    Raises:
        InputError: there is none, a file is missing or damaged, or holds more than tensors and plain types.
    """
    index = read_index(run)
    if index is None:
        raise InputError(f"{run}: expected a run folder with checkpoints, found none; train first, or name another")
    path = run / "checkpoints" / (index.last if which == "last" else index.best or index.last)
    held = read_weights(path / _WEIGHTS)
    state = _read_state(path / _STATE)
    return Checkpoint(path=path, model=held.metadata.get("model", ""), weights=held.tensors, state=state)


def restore_network(network: nn.Module, checkpoint: Checkpoint, *, model: str = "") -> None:
    """Give the network the checkpoint's weights.

    Args:
        network: bare, as it was built.
        checkpoint: of the same model.
        model: its name, compared with the checkpoint's where both have one.

    Raises:
        InputError: the checkpoint is of another model; names what differs.
    """
    path, what = checkpoint.path / _WEIGHTS, f"the network {model}".rstrip()
    named = {"model": model} if model and checkpoint.model else {}
    require_metadata(path, {"model": checkpoint.model}, named, what)
    require_fit(path, checkpoint.weights, network.state_dict(), what)
    network.load_state_dict(dict(checkpoint.weights), strict=False)


def _read_state(path: Path) -> dict[str, Any]:
    damaged = "expected a checkpoint's state, found a damaged file; restore it"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); restore it") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # on a pickle that PyTorch did not write, which it refuses next
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: expected tensors and plain types, found a pickle that would run code (or a damaged file); "
            "it was refused, nothing ran; do not trust this run folder"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError):
        raise InputError(f"{path}: {damaged}") from None
    if not isinstance(state, dict):
        raise InputError(f"{path}: {damaged}")
    return state


def _pickled(state: Mapping[str, Any]) -> bytes:
    """The state as `torch.save` writes it, known to be readable again."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    try:
        torch.load(io.BytesIO(buffer.getbuffer()), weights_only=True, mmap=False)
    except pickle.UnpicklingError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"the objective's state: expected tensors and plain types ({reason}); mend state_dict"
        ) from None
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, content: bytes) -> None:
    """Put a file in the place of another at once."""
    begun = path.with_name(f"{_BEGUN}{path.name}")
    _write(begun, content)
    begun.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make the names in a folder outlast a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _named(folder: Path) -> set[str]:
    index = read_index(folder.parent)
    return set() if index is None else {index.last, index.best or index.last}


def _drop(folder: Path, *, keep: set[str]) -> None:
    """Remove the checkpoints that no index names, begun ones included."""
    for path in folder.iterdir():
        if path.name.startswith(("step-", _BEGUN)) and path.name not in keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
