"""A conditional random field of the targets and the group, on the output of a network's head; everything is exact.

Zhao, Wang, Yatskar, Ordonez, Chang, Men Also Like Shopping, EMNLP 2017, https://arxiv.org/abs/1707.09457.

Several labels: score(g, y) = s_g + Σ_o θ_{g,o}(y_o). Given the group, labels do not depend on each other, so that a sum
over 2^t assignments is k products of sums of two. One label: score(v, g) = s_v + s_{v,g}. Scores are in nats: an
assignment's probability is the exponential of its score, normalised over all assignments.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional


class Potentials(NamedTuple):
    """What scores are sums of.

    Attributes:
        pairs: `[b, k, t, 2]` θ, the last axis a label absent (0) or present (1); or `[b, v, k]` score(v, g), whole.
        groups: `[b, k]` s_g; None for one label per image.
    """

    pairs: Tensor
    groups: Tensor | None


class Assignment(NamedTuple):
    """Targets and group of each image.

    Attributes:
        targets: `[b, t]` of 0 and 1, or `[b]` categories; int64.
        groups: `[b]` int64.
    """

    targets: Tensor
    groups: Tensor


class CRF(Protocol):
    """What can be asked of a head's output, `[b, width]`; half precision is widened to float32 first."""

    @property
    def width(self) -> int:
        """Outputs of the head."""
        ...

    def potentials(self, output: Tensor) -> Potentials:
        """The output, taken apart."""
        ...

    def log_partition(self, output: Tensor) -> Tensor:
        """`[b]`: the logarithm of the sum over all assignments of the exponential of their score."""
        ...

    def log_likelihood(self, output: Tensor, targets: Tensor, groups: Tensor) -> Tensor:
        """`[b]`: log p(y, g), 0 or less.

        Args:
            output: of the head.
            targets: `[b, t]` of 0 and 1, or `[b]` categories.
            groups: `[b]`.
        """
        ...

    def group_log_marginals(self, output: Tensor) -> Tensor:
        """`[b, k]`: log p(g), summed over the targets."""
        ...

    def target_logits(self, output: Tensor) -> Tensor:
        """`[b, t]`: logits of the targets' marginals, summed over the group.

        Several labels: log p(y_o = 1) − log p(y_o = 0), whose sigmoid is the marginal; one label: log Σ_g of the
        exponential of score(v, g), whose softmax is.
        """
        ...

    def decode(self, output: Tensor) -> Assignment:
        """The assignment of the highest score; of equals, the first group, and labels absent (or the first one)."""
        ...


@dataclass(frozen=True, slots=True)
class MultiLabelCRF:
    """t labels of 0 and 1 with one of k groups; see `CRF`.

    Attributes:
        targets: t.
        groups: k.
    """

    targets: int
    groups: int

    @property
    def width(self) -> int:
        """As many as k + 2·k·t: first s, then θ by group, label and presence."""
        return self.groups + 2 * self.groups * self.targets

    def potentials(self, output: Tensor) -> Potentials:
        """`[b, k, t, 2]` and `[b, k]`."""
        return Potentials(*self._parts(output))

    def log_partition(self, output: Tensor) -> Tensor:
        """See `CRF`."""
        return self._by_group(output).logsumexp(1)

    def log_likelihood(self, output: Tensor, targets: Tensor, groups: Tensor) -> Tensor:
        """See `CRF`."""
        # log p(g) + Σ log p(y_o | g): a score less the partition would be the small difference of large sums.
        pairs, _ = self._parts(output)
        own = pairs.take_along_dim(groups[:, None, None, None], dim=1).squeeze(1).log_softmax(2)
        labels = own.take_along_dim(targets.long()[:, :, None], dim=2).squeeze(2)
        return _of_row(self.group_log_marginals(output), groups) + labels.sum(1)

    def group_log_marginals(self, output: Tensor) -> Tensor:
        """See `CRF`."""
        return self._by_group(output).log_softmax(1)

    def target_logits(self, output: Tensor) -> Tensor:
        """See `CRF`."""
        pairs, _ = self._parts(output)
        apart = pairs[..., 1] - pairs[..., 0]
        group = self.group_log_marginals(output)[:, :, None]
        present, absent = (functional.logsigmoid(sign * apart) + group for sign in (1, -1))
        return present.logsumexp(1) - absent.logsumexp(1)

    def decode(self, output: Tensor) -> Assignment:
        """See `CRF`."""
        pairs, scores = self._parts(output)
        group = (scores + pairs.amax(3).sum(2)).argmax(1)
        own = pairs.take_along_dim(group[:, None, None, None], dim=1).squeeze(1)
        return Assignment((own[..., 1] > own[..., 0]).long(), group)

    def _by_group(self, output: Tensor) -> Tensor:
        """`[b, k]`: the logarithm of the sum over the labels' assignments beside each group."""
        pairs, scores = self._parts(output)
        return scores + pairs.logsumexp(3).sum(2)

    def _parts(self, output: Tensor) -> tuple[Tensor, Tensor]:
        output = _wide(output)
        pairs = output[:, self.groups :].reshape(len(output), self.groups, self.targets, 2)
        return pairs, output[:, : self.groups]


@dataclass(frozen=True, slots=True)
class SingleLabelCRF:
    """One of v categories with one of k groups; see `CRF`.

    Attributes:
        targets: v.
        groups: k.
    """

    targets: int
    groups: int

    @property
    def width(self) -> int:
        """As many as v + v·k: first s by category, then s by category and group."""
        return self.targets + self.targets * self.groups

    def potentials(self, output: Tensor) -> Potentials:
        """`[b, v, k]`, s_v + s_{v,g}, and None."""
        output = _wide(output)
        pairs = output[:, self.targets :].reshape(len(output), self.targets, self.groups)
        return Potentials(output[:, : self.targets, None] + pairs, None)

    def log_partition(self, output: Tensor) -> Tensor:
        """See `CRF`."""
        return self.potentials(output).pairs.logsumexp((1, 2))

    def log_likelihood(self, output: Tensor, targets: Tensor, groups: Tensor) -> Tensor:
        """See `CRF`."""
        log = self.potentials(output).pairs.flatten(1).log_softmax(1)
        return _of_row(log, targets * self.groups + groups)

    def group_log_marginals(self, output: Tensor) -> Tensor:
        """See `CRF`."""
        return self.potentials(output).pairs.logsumexp(1).log_softmax(1)

    def target_logits(self, output: Tensor) -> Tensor:
        """See `CRF`."""
        return self.potentials(output).pairs.logsumexp(2)

    def decode(self, output: Tensor) -> Assignment:
        """See `CRF`."""
        best = self.potentials(output).pairs.flatten(1).argmax(1)
        return Assignment(best // self.groups, best % self.groups)


def crf_for(kind: Literal["multi", "single"], targets: int, groups: int) -> CRF:
    """The field for labels of a kind.

    Args:
        kind: `multi`: labels of 0 and 1; `single`: one category per image.
        targets: t or v.
        groups: k.
    """
    return (MultiLabelCRF if kind == "multi" else SingleLabelCRF)(targets, groups)


def _wide(output: Tensor) -> Tensor:
    """The output in float32, or float64 where it is."""
    return output.float() if output.dtype in (torch.float16, torch.bfloat16) else output


def _of_row(values: Tensor, columns: Tensor) -> Tensor:
    """`[b]`: the value of each row in its column."""
    return values.gather(1, columns[:, None]).squeeze(1)
