"""What an audit can be told, with defaults that suit a first run."""

from dataclasses import dataclass

from steelyard.base.errors import InputError
from steelyard.leakage.attackers import ATTACKERS
from steelyard.leakage.corruption import CHANNELS
from steelyard.leakage.curve import Levels, parse_levels
from steelyard.leakage.extras import require_torch
from steelyard.leakage.presets import preset_named
from steelyard.tables.label_table import Kind
from steelyard.tables.prediction_table import ScoreKind

THRESHOLDS = ("0.5", "f1", "calibrated")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """How an audit measures.

    Attributes:
        preset: `wang2019-coco` or `wang2019-imsitu`: the published protocol in place of the default scheme.
        levels: levels of the curve: a number (`12`), F1 values (`0.2,0.401`), both, or `none`; None is 12, or none
            with a preset.
        channel: `flip`, `replace` or `prevalence`; None is `replace` for single-label and `flip` for multi-label data.
        attackers: names from `table`, `logistic`, `boosting`, `mlp`; empty is the default family.
        rounds: redraws of subsets, folds and corruption.
        folds: folds of cross-fitting.
        permutations: of the p-value; 0 skips it.
        threshold: `0.5`, `f1` or `calibrated` (multi-label decisions; the last two need validation rows).
        bootstrap: rounds of the intervals of the metrics.
        min_support: training images that a label set needs in the multi-attribute measure.
        seed: of everything random.
        workers: processes; None is one per core.
    """

    preset: str | None = None
    levels: str | None = None
    channel: str | None = None
    attackers: tuple[str, ...] = ()
    rounds: int = 5
    folds: int = 5
    permutations: int = 99
    threshold: str = "0.5"
    bootstrap: int = 500
    min_support: int = 30
    seed: int = 0
    workers: int | None = None

    def __post_init__(self) -> None:
        """Check every option, so that nothing is found out after minutes of work.

        Raises:
            InputError: names the option, what was expected and found.
        """
        if self.preset is not None:
            preset_named(self.preset)
        if self.levels is not None:
            parse_levels(self.levels)
        if self.channel is not None and self.channel not in CHANNELS:
            raise InputError(f"--channel: there is no {self.channel!r}; choose from {', '.join(CHANNELS)}")
        unknown = [name for name in self.attackers if name not in ATTACKERS]
        if unknown:
            raise InputError(f"--attackers: there is no {unknown[0]!r}; choose from {', '.join(ATTACKERS)}")
        if self.threshold not in THRESHOLDS:
            raise InputError(f"--threshold: expected one of {', '.join(THRESHOLDS)}, found {self.threshold!r}")
        least = {"rounds": 1, "folds": 2, "permutations": 0, "bootstrap": 2, "min_support": 1, "seed": 0}
        for name, low in least.items():
            if (value := getattr(self, name)) < low:
                raise InputError(f"--{name.replace('_', '-')}: expected {low} or more, found {value}")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"--workers: expected 1 or more, found {self.workers}")

    @property
    def curve_levels(self) -> Levels:
        """The levels of the curve."""
        return parse_levels(self.levels or ("none" if self.preset else "12"))

    @property
    def wants_curve(self) -> bool:
        """Whether any level is asked for."""
        return bool(self.curve_levels.count or self.curve_levels.exact)


def check_options(options: AuditOptions, kind: Kind, scores: ScoreKind | None) -> None:
    """Refuse options that these tables have no use for, rather than pass over them in silence.

    Args:
        options: of the audit.
        kind: of the labels.
        scores: what the predictions hold; None where there are none.

    Raises:
        InputError: names the option and says why.
        MissingExtraError: the MLP is asked for, and PyTorch is not installed.
    """
    if options.channel == "replace" and kind == "multi":
        raise InputError(
            "--channel replace: swaps one category for another, and these labels are many 0/1 columns; "
            "use flip or prevalence"
        )
    if "mlp" in options.attackers:
        require_torch()
    if "table" in options.attackers and kind == "multi":
        raise InputError(
            "--attackers table: looks up one category per image, and these labels are many 0/1 columns; "
            "use logistic, boosting or mlp"
        )
    if options.attackers == ("table",) and scores in ("logits", "probabilities"):
        raise InputError(
            "--attackers table: looks up one category per image, and scores are many numbers; "
            "add logistic, boosting or mlp"
        )
    if options.threshold != "0.5" and scores is None:
        raise InputError(f"--threshold {options.threshold}: cuts scores, and there are none; add --predictions FILE")
