"""Any network of timm (https://github.com/huggingface/pytorch-image-models) that ends in a linear head."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from steelyard.base.errors import InputError, MissingExtraError
from steelyard.models.backbone import Backbone
from steelyard.models.options import TIMM, ModelOptions
from steelyard.models.resnets import no_download
from steelyard.tables.messages import one_line


def timm_network(options: ModelOptions) -> Backbone:
    """The network `timm:NAME` without its head, its parameters drawn from torch's generator.

    Stages of the map are the aliases `conv1` … as far as timm names them; other layers go by their own names.

    Raises:
        MissingExtraError: timm is not installed.
        InputError: timm has no such network, or it has no embedding.
    """
    timm, name = _timm(), options.name.removeprefix(TIMM)
    if not timm.is_model(name.partition(".")[0]):
        close = timm.list_models(f"*{name}*")[:3] or get_close_matches(name, timm.list_models())
        hint = f" (close: {', '.join(close)})" if close else ""
        raise InputError(f"model.name: expected timm: and a network of timm, found {name!r}{hint}; choose one")
    # What is asked for is dropped before the head, not within the backbone, which may be frozen.
    own = {} if options.dropout is None else {"drop_rate": 0.0}
    try:
        module: Any = timm.create_model(name, pretrained=False, num_classes=0, **own)
    except (RuntimeError, TypeError) as error:  # a tag that it does not have, a network without dropout
        raise InputError(f"model: expected options of timm's {name}, found {one_line(error)}; change them") from error

    def pretrained(weights: str) -> Mapping[str, Tensor]:
        return _published(timm, name, weights)

    facts = module.pretrained_cfg
    heads = facts.get("classifier") or ()
    return Backbone(
        module=module,
        width=_width(module, name),
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        aliases=_aliases(module),
        dropout=options.dropout or 0.0,
        heads=(heads,) if isinstance(heads, str) else tuple(heads),
        pretrained=pretrained,
    )


def _published(timm: ModuleType, name: str, weights: str) -> Mapping[str, Tensor]:
    if weights != "imagenet":
        raise InputError(
            f"model.weights: expected none, imagenet or a file (.pth, .pt, .safetensors) for {TIMM}{name}, found "
            f"{weights!r}; choose one (timm's other weights go by the name: {TIMM}NAME.TAG)"
        )
    try:
        state: Mapping[str, Tensor] = timm.create_model(name, pretrained=True, num_classes=0).state_dict()
    except Exception as error:  # timm, its hub and its HTTP library each raise their own
        raise no_download(TIMM + name, "pretrained weights", error) from error
    return state


def _width(module: nn.Module, name: str) -> int:
    width = getattr(module, "head_hidden_size", None) or getattr(module, "num_features", None)
    if not isinstance(width, int):
        raise InputError(f"model.name: expected a network with one embedding, found {TIMM}{name}; choose another")
    return width


def _aliases(module: nn.Module) -> dict[str, str]:
    """`convN` → the last layer whose map is N times halved, where timm says so and the map shrinks at all."""
    own = {layer for layer, _ in module.named_modules() if layer}
    stages = [(str(stage["module"]), int(stage["reduction"])) for stage in getattr(module, "feature_info", None) or ()]
    if len({reduction for _, reduction in stages}) < 2:
        return {}
    halved = {f"conv{reduction.bit_length() - 1}": place for place, reduction in stages if reduction > 1}
    # A layer of timm's that has such a name is the one meant by it.
    return {alias: place for alias, place in halved.items() if alias not in own and place in own}


def _timm() -> ModuleType:
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise MissingExtraError("networks called timm:NAME need timm: pip install 'steelyard[timm]'") from error
    return timm
