"""Which optional dependencies the attackers need, asked for by name before they are imported."""

import importlib

from steelyard.base.errors import MissingExtraError


def require_torch() -> None:
    """Make sure that PyTorch can be imported.

    Raises:
        MissingExtraError: it is not installed; the message says how to install it. An installed PyTorch that
            fails to load raises its own ImportError, which says more.
    """
    try:
        importlib.import_module("torch")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("the MLP attacker needs PyTorch: pip install 'steelyard[train]'") from error
