"""Estimate: a figure that never travels without its interval."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Varied = Literal["attacker", "images", "permutations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One figure, its interval, and what the interval covers.

    Attributes:
        name: the catalogue's name of the measure.
        value: the point estimate, in `unit`.
        low: lower end of the interval.
        high: upper end of the interval.
        level: probability that the interval is built for, in (0, 1).
        n: images (rows) that the figure rests on.
        unit: `fraction`, `bits`, `nats`, `probability` or `difference` (of two fractions).
        of: the evidence measured: `labels`, `scores`, `decisions`, a label's name …
        scheme: how it was measured (fitting and scoring rows, folds, rounds, channel, threshold rule), in words.
        varied: what was redrawn to obtain the interval.
        sd_attacker: standard deviation between attackers (seed, subset, initialisation), or None.
        sd_images: standard error from the sampling of images, or None.
        folded: True only where a parity preset reports 0.5 + |accuracy − 0.5|.
        note: anything that a reader must know beside the figure; empty otherwise.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    level: float = 0.95
    unit: str = "fraction"
    of: str = ""
    scheme: str = ""
    varied: tuple[Varied, ...] = ("images",)
    sd_attacker: float | None = None
    sd_images: float | None = None
    folded: bool = False
    note: str = ""

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{self.name} = {self.value:.4f} [{self.low:.4f}, {self.high:.4f}] (n = {self.n:,})"

    def to_dict(self) -> dict[str, Any]:
        """The estimate as plain JSON types."""
        return {**asdict(self), "varied": list(self.varied)}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "Estimate":
        """The inverse of `to_dict`."""
        return cls(**{**record, "varied": tuple(record["varied"])})
