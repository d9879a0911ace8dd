"""Whether what trains can be imported, asked before it is."""

from importlib import import_module

from steelyard.base.errors import MissingExtraError

_NEEDED = "torch", "torchvision", "lightning", "safetensors", "cv2"


def require_training() -> None:
    """Make sure that PyTorch and what goes with it are installed.

    Raises:
        MissingExtraError: one of them is not; the message says how to install it.
    """
    for name in _NEEDED:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise MissingExtraError(f"training needs {name}: pip install 'steelyard[train]'") from error
