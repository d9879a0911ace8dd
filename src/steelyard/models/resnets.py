"""ResNets as torchvision has them, up to the average over the last map.

He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, CVPR 2016, https://arxiv.org/abs/1512.03385.
"""

from collections.abc import Mapping
from types import ModuleType

from torch import Tensor, nn

from steelyard.base.errors import InputError, MissingExtraError
from steelyard.models.backbone import Backbone
from steelyard.models.options import ModelOptions
from steelyard.tables.messages import closest, one_line

ALIASES = {"conv2": "layer1", "conv3": "layer2", "conv4": "layer3", "conv5": "layer4"}
"""The paper's names; its `conv1` is torchvision's name too."""


def resnet(options: ModelOptions) -> Backbone:
    """ResNet-18, 34, 50 or 101, its parameters drawn from torch's generator.

    Raises:
        MissingExtraError: torchvision is not installed.
    """
    models = _torchvision_models()
    module: nn.Module = getattr(models, options.name)(weights=None)
    width: int = module.fc.in_features  # type: ignore[assignment, union-attr]
    module.fc = nn.Identity()

    def pretrained(weights: str) -> Mapping[str, Tensor]:
        return _published(models, options.name, weights)

    dropout = options.dropout or 0.0
    return Backbone(module=module, width=width, aliases=ALIASES, dropout=dropout, heads=("fc",), pretrained=pretrained)


def _published(models: ModuleType, name: str, weights: str) -> Mapping[str, Tensor]:
    known = models.get_model_weights(name)
    if weights != "imagenet" and weights not in known.__members__:
        names = ["none", "imagenet", *known.__members__]
        raise InputError(
            f"model.weights: expected {', '.join(names)} or a file (.pth, .pt, .safetensors) for {name}, found "
            f"{weights!r}{closest(weights, names)}; choose one"
        )
    chosen = known.DEFAULT if weights == "imagenet" else known[weights]
    try:
        state: Mapping[str, Tensor] = chosen.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # no network, or what came is not what was published
        raise no_download(name, f"{chosen.name}", error) from error
    return state


def no_download(name: str, weights: str, error: Exception) -> InputError:
    """The error for weights that could not be fetched."""
    why = one_line(error, longest=120)
    return InputError(
        f"model.weights: expected to download {weights} of {name}, found no way to ({why}); "
        "give a file: model.weights=FILE.pth"
    )


def _torchvision_models() -> ModuleType:
    try:
        from torchvision import models
    except ModuleNotFoundError as error:
        if error.name != "torchvision":
            raise
        raise MissingExtraError("ResNets come from torchvision: pip install 'steelyard[train]'") from error
    return models  # type: ignore[no-any-return]
