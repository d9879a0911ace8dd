"""Two models on the same images: what one gives away less what the other does, with intervals on the difference.

Both are attacked under one plan (the same folds, fitting rows and rounds), and their per-image results are differenced
before anything is averaged, so that what an image or a fold does to both models falls out. The variance of the
difference has the parts of a single figure's, see `measures`; a model compared with itself has an interval of 0 to 0.

The share removed is a ratio of two uncertain figures, whose interval is Fieller's: the shares s for which the figure of
the other model less (1 − s) times that of the base is not clear of 0. It is a closed range wherever the base's own
interval is clear of 0, and rests on the same variances. Fieller, "Some problems in interval estimation", Journal of
the Royal Statistical Society B 1954, https://doi.org/10.1111/j.2517-6161.1954.tb00159.x.
"""

import math

from steelyard.base.errors import UndefinedError
from steelyard.base.estimate import Estimate
from steelyard.leakage.measures import LEVEL, Z, paired_mean
from steelyard.leakage.search import Attacked

_ANY = (-math.inf, math.inf)


def leakage_difference(name: str, base: Attacked, other: Attacked, *, of: str) -> Estimate:
    """Leakage of the other model less that of the base, in [−1, 1]; above 0, the other gives away more.

    Args:
        name: of the measure.
        base: the attack on the base.
        other: the attack on the other model, under the same plan.
        of: the evidence.
    """
    values = other.credit - base.credit
    return paired_mean(name, values, values, other, of=of, unit="difference", bounds=(-1.0, 1.0))


def amplification_difference(
    name: str, base: tuple[Attacked, Attacked], other: tuple[Attacked, Attacked], *, of: str, scheme: str
) -> Estimate:
    """Amplification of the other model less that of the base, in [−2, 2].

    Args:
        name: of the measure.
        base: the attacks on the base's evidence, and on the labels corrupted to its quality.
        other: the same of the other model, under the same plan and with the same draws of the channel.
        of: the evidence.
        scheme: how it was measured.
    """
    seen = other[0].credit - base[0].credit
    values = seen - (other[1].credit - base[1].credit)
    return paired_mean(name, values, seen, other[0], of=of, unit="difference", bounds=(-2.0, 2.0), scheme=scheme)


def information_difference(name: str, base: Attacked, other: Attacked, *, of: str) -> Estimate:
    """Bits that the other model gives away more than the base; of labels and predictions, conditional leakage's.

    Args:
        name: of the measure.
        base: the attack on the base.
        other: the attack on the other model, under the same plan.
        of: the evidence.
    """
    values = base.bits - other.bits
    return paired_mean(name, values, values, other, of=of, unit="bits", bounds=_ANY)


def share_removed(base: Estimate, other: Estimate, difference: Estimate, *, rounds: int) -> Estimate:
    """Which share of the base's figure the other model is rid of: 1 − other / base; above 1, the sign turned.

    Args:
        base: the base's figure.
        other: the other model's.
        difference: other less base, measured in pairs.
        rounds: of the attackers, behind all three.

    Raises:
        UndefinedError: the base's interval reaches 0, so that there may be nothing to remove.
    """
    if base.low <= 0:
        raise UndefinedError(
            f"the base's own figure of {base.value:.4f} is not above 0 ({base.low:.4f} to {base.high:.4f})"
        )
    own, others = _variance(base, rounds), _variance(other, rounds)
    # All three variances are quadratic in the per-image values, so that they give the covariance.
    shared = (own + others - _variance(difference, rounds)) / 2
    square = base.value**2 - Z**2 * own
    middle = base.value * other.value - Z**2 * shared
    half = math.sqrt(max(0.0, middle**2 - square * (other.value**2 - Z**2 * others)))
    return Estimate(
        name=base.name,
        value=1.0 - other.value / base.value,
        low=1.0 - (middle + half) / square,
        high=1.0 - (middle - half) / square,
        level=LEVEL,
        n=base.n,
        unit="fraction",
        of=base.of,
        scheme="1 − other / base, interval by Fieller",
        varied=difference.varied,
    )


def _variance(estimate: Estimate, rounds: int) -> float:
    return (estimate.sd_images or 0.0) ** 2 + (estimate.sd_attacker or 0.0) ** 2 / rounds
