"""Latents of a generator: where attributes lie in them, complementary latents, and the images they give.

What is named here is the geometry, on numpy arrays: it imports without PyTorch, which generators need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.latent.directions import conditioned_direction as conditioned_direction
    from steelyard.latent.fitting import FittedHyperplane as FittedHyperplane
    from steelyard.latent.fitting import fit_hyperplane as fit_hyperplane
    from steelyard.latent.fitting import fit_hyperplanes as fit_hyperplanes
    from steelyard.latent.fitting import fit_hyperplanes_by_group as fit_hyperplanes_by_group
    from steelyard.latent.hyperplanes import Hyperplane as Hyperplane
    from steelyard.latent.hyperplanes import angles as angles
    from steelyard.latent.hyperplanes import joint_angles as joint_angles
    from steelyard.latent.hyperplanes import read_hyperplanes as read_hyperplanes
    from steelyard.latent.hyperplanes import write_hyperplanes as write_hyperplanes
    from steelyard.latent.mirroring import mirror as mirror
    from steelyard.latent.mirroring import mirror_all as mirror_all
    from steelyard.latent.mirroring import mirror_by_group as mirror_by_group
    from steelyard.latent.mirroring import project as project

# No module may have the name of a function here: importing it would put the module in the function's place.
_HOME = {
    "FittedHyperplane": "fitting",
    "Hyperplane": "hyperplanes",
    "angles": "hyperplanes",
    "conditioned_direction": "directions",
    "fit_hyperplane": "fitting",
    "fit_hyperplanes": "fitting",
    "fit_hyperplanes_by_group": "fitting",
    "joint_angles": "hyperplanes",
    "mirror": "mirroring",
    "mirror_all": "mirroring",
    "mirror_by_group": "mirroring",
    "project": "mirroring",
    "read_hyperplanes": "hyperplanes",
    "write_hyperplanes": "hyperplanes",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
