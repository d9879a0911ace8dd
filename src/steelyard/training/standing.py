"""Where a training run stands: its position, its best epoch, how long nothing has improved."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from steelyard.training.options import TrainingOptions


@dataclass(frozen=True, slots=True)
class Position:
    """The batch that comes next.

    Attributes:
        stage: number of the stage; the number of stages when the run is complete.
        epoch: within the stage.
        batch: within the epoch.
        step: batches done, in all stages.
    """

    stage: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """How good the network is on the validation images.

    Attributes:
        quality: mean average precision or accuracy, in [0, 1].
        loss: mean log loss in nats.
    """

    quality: float
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All of it; replaced, never changed.

    Attributes:
        position: the batch that comes next.
        best_step: the step of the best network; None before there is one.
        best: its validation; None without validation images.
        stage_value: the best value of what is monitored in this stage, larger is better.
        stale: epochs since then.
    """

    position: Position = Position()
    best_step: int | None = None
    best: Validation | None = None
    stage_value: float | None = None
    stale: int = 0

    def after_epoch(
        self, options: TrainingOptions, validation: Validation | None, *, last_stage: bool, ready: bool, epochs: int
    ) -> "Standing":
        """Where the run stands after an epoch.

        Args:
            options: for patience and monitor.
            validation: of this epoch; None where nothing was validated.
            last_stage: whether this is the last stage: only its epochs can be the best.
            ready: whether the objective lets this epoch count.
            epochs: of this stage, at most.
        """
        value, at = _value(options, validation), self.position
        new = self
        if ready and value is not None:
            improved = self.stage_value is None or value > self.stage_value
            new = replace(new, stage_value=value, stale=0) if improved else replace(new, stale=self.stale + 1)
            if last_stage and improved:
                new = replace(new, best_step=at.step, best=validation)
        if last_stage and options.monitor == "last":
            new = replace(new, best_step=at.step, best=validation)
        ends = options.patience is not None and new.stale >= options.patience
        if at.epoch + 1 < epochs and not ends:
            return replace(new, position=Position(at.stage, at.epoch + 1, 0, at.step))
        new = replace(new, position=Position(at.stage + 1, 0, 0, at.step), stage_value=None, stale=0)
        if last_stage and new.best_step is None:  # no epoch was ready: the last has trained the longest
            new = replace(new, best_step=at.step, best=validation)
        return new

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "Standing":
        """The inverse of `to_dict`."""
        best = record["best"]
        return cls(
            **{
                **record,
                "position": Position(**record["position"]),
                "best": None if best is None else Validation(**best),
            }
        )


def _value(options: TrainingOptions, validation: Validation | None) -> float | None:
    """What is monitored, larger is better."""
    if validation is None or options.monitor == "last":
        return None
    return validation.quality if options.monitor == "quality" else -validation.loss
