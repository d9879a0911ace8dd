"""Which images count: subsets in which no label goes with one group far more than with another.

`balance` picks the largest such subset (`alpha`), `Balanced` says what it kept (`balanced`); `programme` and
`search` are the integer programme behind it. None of them needs torch.
"""

from steelyard.mitigation.samples.alpha import balance
from steelyard.mitigation.samples.balanced import Balanced, Status, exact_alpha, violations

__all__ = ["Balanced", "Status", "balance", "exact_alpha", "violations"]
