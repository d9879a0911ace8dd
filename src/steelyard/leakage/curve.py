"""The curve of dataset leakage over F1: what labels of every quality would give away by chance errors alone.

Figure 4 of Wang, Zhao, Yatskar, Chang, Ordonez, ICCV 2019. https://arxiv.org/abs/1811.08489
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.base.random import stream
from steelyard.leakage.corruption import Channel, Noise, draw_noise, floor_of, solve
from steelyard.leakage.evidence import Evidence

LOWEST_LEVEL = 0.1


@dataclass(frozen=True, slots=True)
class Levels:
    """Which F1 levels to compute.

    Attributes:
        count: evenly spaced levels from the channel's floor (or 0.1) to 1; 0 for none.
        exact: levels asked for by value.
    """

    count: int = 0
    exact: tuple[float, ...] = ()

    def at(self, floor: float, model_f1: float | None) -> tuple[float, ...]:
        """The levels in rising order; the nearest inner one of the grid gives way to the model's own F1."""
        found = set(self.exact)
        grid = list(np.linspace(max(floor, LOWEST_LEVEL), 1.0, self.count)) if self.count else []
        if model_f1 is not None and (grid or self.exact):
            if len(grid) > 2 and grid[0] < model_f1 < 1.0:
                del grid[1 + int(np.argmin(np.abs(np.array(grid[1:-1]) - model_f1)))]
            if model_f1 >= floor:
                found.add(model_f1)
        return tuple(sorted({*found, *(float(level) for level in grid)}))


def parse_levels(text: str) -> Levels:
    """Read `--levels`: a number of levels (`12`), F1 values (`0.2,0.401`), both (`12,0.401`), or `none` (`0`).

    Raises:
        InputError: anything else, or an F1 outside (0, 1].
    """
    if text.strip().lower() in ("none", "0"):
        return Levels()
    count, exact = 0, []
    for token in text.split(","):
        try:
            number = float(token)
        except ValueError:
            raise InputError(
                f"--levels: expected a number of levels, F1 values or none, found {token.strip()!r}; "
                "for example --levels 12,0.401"
            ) from None
        if number >= 2 and number.is_integer():
            if count:
                raise InputError(f"--levels: two numbers of levels, {count} and {token.strip()}; give one")
            count = int(number)
        elif 0 < number <= 1:
            exact.append(number)
        else:
            raise InputError(f"--levels: {token.strip()} is neither a number of levels (2 or more) nor an F1 in (0, 1]")
    return Levels(count, tuple(exact))


@dataclass(frozen=True, slots=True)
class Corruption:
    """A channel drawn anew in every round, and solved for any F1 on those draws.

    Attributes:
        targets: `[n]` categories or `[n, t]` 0/1.
        categories: t.
        channel: which channel.
        rows: `[m]` the scored rows, on which F1 is measured.
        seed: of the draws.
    """

    targets: NDArray[np.integer]
    categories: int
    channel: Channel
    rows: NDArray[np.int64]
    seed: int
    _noises: dict[int, Noise] = field(default_factory=dict, repr=False)

    def noise(self, number: int) -> Noise:
        """The draw of a round; the same for every level."""
        if number not in self._noises:
            rng = stream(self.seed, "corruption", number)
            self._noises[number] = draw_noise(self.targets, self.categories, self.channel, rng)
        return self._noises[number]

    def floor(self, rounds: int) -> float:
        """The F1 that every round's draw can reach."""
        return max(floor_of(self.noise(r), self.rows) for r in range(rounds))

    def strength(self, f1: float, number: int) -> float:
        """The corruption probability that scores `f1` in this round.

        Raises:
            UndefinedError: below the channel's floor.
        """
        return solve(self.noise(number), f1, self.rows)

    def at(self, f1: float) -> Callable[[int], Evidence]:
        """The labels at this F1, as evidence of any round."""

        def draw(number: int) -> Evidence:
            return self.noise(number).evidence(self.strength(f1, number))

        return draw

    def mean_strength(self, f1: float, rounds: Sequence[int]) -> float:
        """Mean corruption probability over rounds."""
        return float(np.mean([self.strength(f1, r) for r in rounds]))
