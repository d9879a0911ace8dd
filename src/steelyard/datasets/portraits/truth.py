"""The probabilities that Portraits are drawn from: what a measurement of them should find.

Groups are equally frequent; given the group, attributes are independent of each other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelyard.datasets.portraits.settings import ATTRIBUTES, PortraitsSettings

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortraitsTruth:
    """Generating probabilities of a world with t attributes and k groups.

    Attributes:
        label_given_group: `[k, t]` P(attribute | group).
        faint: `[t]` P(an image's attribute is faint), there or not.
    """

    label_given_group: Array
    faint: Array

    @classmethod
    def of(cls, settings: PortraitsSettings) -> "PortraitsTruth":
        """The probabilities that these dials mean."""
        full = np.array([settings.chances(name) for name in ATTRIBUTES]).T
        middle = full.mean(axis=0)
        faint = np.array([settings.faint * (name in settings.faint_attributes) for name in ATTRIBUTES])
        return cls(label_given_group=middle + settings.correlation * (full - middle), faint=faint)

    @property
    def label(self) -> Array:
        """`[t]` P(attribute), over all groups."""
        return np.asarray(self.label_given_group.mean(axis=0))

    @property
    def group_given_label(self) -> Array:
        """`[t, k]` P(group | attribute)."""
        return np.asarray((self.label_given_group / self.label_given_group.sum(axis=0)).T)
