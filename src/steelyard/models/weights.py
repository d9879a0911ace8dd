"""Weights in files: written whole or not at all, read without running anything that a file may hold.

The format is safetensors (https://huggingface.co/docs/safetensors); PyTorch's own files are read with `weights_only`.
"""

import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from steelyard.base.drafts import draft_of
from steelyard.base.errors import InputError, MissingExtraError, first_few
from steelyard.tables.messages import complaint, one_line, quoted

SUFFIXES = (".safetensors", ".pth", ".pt")
_COUNTER = "num_batches_tracked"  # of BatchNorm; older files have none, and nothing here reads it


@dataclass(frozen=True, slots=True)
class Weights:
    """What a file of weights holds.

    Attributes:
        tensors: name of parameter or buffer → value, on the CPU.
        metadata: what the file says of itself (only .safetensors does).
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def save_weights(path: str | Path, module: nn.Module, metadata: Mapping[str, str]) -> None:
    """Write parameters and buffers as .safetensors, replacing the file in one step.

    Args:
        path: the file; its folder must be there.
        module: whose weights.
        metadata: what the file says of itself, such as `ModelOptions.describe()`.

    Raises:
        InputError: the folder is not there, not writable or full; a file that was there before stays as it was.
        MissingExtraError: safetensors is not installed.
    """
    _require_safetensors()
    from safetensors.torch import save

    # Copies: safetensors takes neither channels-last nor shared storage.
    state = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in module.state_dict().items()
    }
    content = save(state, metadata=dict(metadata))
    path = Path(path)
    try:
        with draft_of(path) as draft:
            draft.write_bytes(content)
    except OSError as error:
        found, do = one_line(error.strerror or error, longest=160), "check the folder and its free space"
        expected = f"a writable path with {len(content) / 1e6:,.1f} MB of room"
        raise InputError(complaint(str(path), "", expected=expected, found=found, do=do)) from error


def load_weights(
    path: str | Path, module: nn.Module, *, what: str, expected: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Set every parameter and buffer of a module to what a file holds; nothing changes where it does not fit.

    Args:
        path: what `save_weights` wrote.
        module: of the same names and shapes.
        what: what the weights are of, for messages, such as `the network resnet18`.
        expected: what the file must say of itself.

    Returns:
        What the file says of itself.

    Raises:
        InputError: no such file, not of safetensors, of another model, or names or shapes that do not fit.
        MissingExtraError: safetensors is not installed.
    """
    weights = _read_safetensors(Path(path))
    require_metadata(path, weights.metadata, expected or {}, what)
    require_fit(path, weights.tensors, module.state_dict(), what)
    module.load_state_dict(weights.tensors, strict=False)
    return weights.metadata


def read_weights(path: str | Path) -> Weights:
    """The weights in a file.

    Args:
        path: .safetensors, or a state dict of PyTorch (.pth, .pt), alone or under `state_dict` or `model`.

    Raises:
        InputError: no such file, another extension, not readable, or more in it than weights (which is not run).
        MissingExtraError: safetensors is needed and not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return _read_safetensors(path)
    if suffix in SUFFIXES:
        return Weights(_read_torch(path), {})
    found, do = f"the extension {quoted(path.suffix)}", "give such a file"
    raise InputError(complaint(str(path), "", expected=", ".join(SUFFIXES), found=found, do=do))


def require_metadata(path: str | Path, found: Mapping[str, str], expected: Mapping[str, str], what: str) -> None:
    """Raise an `InputError` where a file says of itself that it is of something else."""
    wrong = [key for key, value in expected.items() if found.get(key) != value]
    if wrong:
        says = ", ".join(f"{key} {quoted(found[key]) if key in found else 'not stated'}" for key in wrong)
        wants = ", ".join(f"{key} {quoted(expected[key])}" for key in wrong)
        do = "give the file of this model, or name the model of this file"
        raise InputError(complaint(str(path), "", expected=f"weights of {what} ({wants})", found=says, do=do))


def require_fit(
    path: str | Path,
    found: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    what: str,
    *,
    optional: Collection[str] = (),
) -> None:
    """Raise an `InputError` that lists names which are missing, not expected or of another shape.

    Args:
        path: the file, for the message.
        found: what the file holds, under the names of the module.
        expected: state of the module.
        what: what the weights are of.
        optional: names that may be missing.
    """
    missing = [n for n in expected if n not in found and n not in optional and not n.endswith(_COUNTER)]
    unexpected = [name for name in found if name not in expected]
    shaped = [
        f"{name}: expected {list(expected[name].shape)}, found {list(value.shape)}"
        for name, value in found.items()
        if name in expected and expected[name].shape != value.shape
    ]
    kinds = {"missing": missing, "not expected": unexpected, "of another shape": shaped}
    faults = [f"{len(names):,} {kind} ({one_line(first_few(names))})" for kind, names in kinds.items() if names]
    if faults:
        do = "give weights of this very model"
        raise InputError(
            complaint(str(path), "", expected=f"weights of {what}", found=f"names {', '.join(faults)}", do=do)
        )


def _read_safetensors(path: Path) -> Weights:
    _require_safetensors()
    from safetensors import SafetensorError, safe_open

    _require_file(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return Weights({name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {}))  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    _require_file(path)
    try:
        with warnings.catch_warnings():
            # Said of pickles by other writers; whether they are only weights is decided here, by an error.
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            held = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        found = "Python objects other than tensors, which are not run, or a damaged file"
        do = "save the state dict alone, or give another file"
        raise InputError(complaint(str(path), "", expected="weights alone", found=found, do=do)) from error
    except Exception as error:  # a damaged file fails in any way: zip, pickle, storage, end of file
        raise _unreadable(path, error) from error
    return _state_dict(path, held)


def _state_dict(path: Path, held: Any) -> dict[str, Tensor]:
    for key in ("state_dict", "model"):
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    named = isinstance(held, Mapping) and all(isinstance(n, str) and isinstance(v, Tensor) for n, v in held.items())
    if not named or not held:
        expected, do = "a state dict (names to tensors)", "save module.state_dict()"
        raise InputError(complaint(str(path), "", expected=expected, found=f"a {type(held).__name__}", do=do))
    return dict(held)


def _require_file(path: Path) -> None:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing of this name"
        raise InputError(complaint(str(path), "", expected="a file of weights", found=found, do="correct the path"))


def _unreadable(path: Path, error: Exception) -> InputError:
    found = f"a file that cannot be read ({one_line(error, longest=120)})"
    return InputError(complaint(str(path), "", expected="a file of weights", found=found, do="copy it afresh"))


def _require_safetensors() -> None:
    try:
        import safetensors  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "safetensors":
            raise
        raise MissingExtraError("weights are kept by safetensors: pip install 'steelyard[train]'") from error
