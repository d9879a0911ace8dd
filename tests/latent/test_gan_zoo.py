"""Public progressive GANs: the same images as a plain restatement of the network, and nothing of a file is run."""

import io
import os
import pickle
import sys
import warnings
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gan_zoo_files import MODULE, draw_tensors, images_by_hand, settings_class, write_zoo  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.latent.gan_zoo import read_gan_zoo  # noqa: E402
from steelyard.latent.generators import open_generator  # noqa: E402
from steelyard.latent.torch_file import read_torch  # noqa: E402

pytestmark = pytest.mark.torch

DEPTHS = [(8,), (8, 6), (8, 8, 4), (16, 8, 8, 4)]


def made_of(file, z):
    with torch.no_grad():
        return file.module(z, scale=file.scale, alpha=file.alpha)


@pytest.mark.parametrize("depths", DEPTHS)
@pytest.mark.parametrize("alpha", [0.0, 0.35, 1.0])
@pytest.mark.parametrize(("old", "prefix", "average"), [(True, "", True), (False, "module.", True), (True, "", False)])
def test_the_same_images_as_the_network_restated(tmp_path, depths, alpha, old, prefix, average):
    plain, averaged = (draw_tensors(12, depths, seed=seed) for seed in (1, 2))
    networks = {"netG": plain, "avgG": averaged} if average else {"netG": plain}
    path = write_zoo(tmp_path / "pgan.pth", networks, 12, depths, old=old, prefix=prefix, alpha=alpha)
    assert MODULE not in sys.modules, "the class cannot be imported"
    file = read_gan_zoo(path)
    z = torch.randn(5, 12, generator=torch.Generator().manual_seed(0)) * 3
    alpha = alpha if len(depths) > 1 else 0.0
    expected = images_by_hand(averaged if average else plain, z, alpha=alpha)
    side = 4 * 2 ** (len(depths) - 1)
    assert expected.shape == (5, 3, side, side)
    found = made_of(file, z)
    assert float((found - expected).abs().max()) < 1e-5
    # Without rounding, which such narrow networks enlarge, there is no difference at all.
    exact = images_by_hand(averaged if average else plain, z, alpha=alpha, kind=torch.float64)
    file.module.double()
    assert float((made_of(file, z.double()) - exact).abs().max()) < 1e-9
    other = images_by_hand(plain if average else averaged, z, alpha=alpha)
    assert float((found - other).abs().max()) > 0.1, "the control: the other network's images differ"
    if alpha > 0:
        assert float((found - images_by_hand(averaged if average else plain, z)).abs().max()) > 0.01


def test_as_a_generator_its_latents_lie_on_the_sphere_and_its_images_are_clamped(tmp_path):
    tensors = draw_tensors(12, (8, 6), seed=3)
    generator = open_generator(write_zoo(tmp_path / "pgan.pth", {"avgG": tensors}, 12, (8, 6)))
    z = generator.sample(7, seed=0)
    assert (generator.latent_dim, generator.size) == (12, (8, 8))
    assert np.sqrt((z**2).mean(axis=1)) == pytest.approx(np.ones(7), abs=1e-5)
    assert np.array_equal(generator.sample(3, seed=0), z[:3])
    by_hand = images_by_hand(tensors, torch.from_numpy(z))
    assert float(by_hand.abs().max()) > 1, "the control: there is something to clamp"
    assert float((generator.synthesize(torch.from_numpy(z)) - by_hand.clamp(-1, 1)).abs().max()) < 1e-5


def test_layers_that_were_not_equalised(tmp_path):
    tensors = draw_tensors(6, (8, 4), seed=4)
    path = write_zoo(tmp_path / "pgan.pth", {"avgG": tensors}, 6, (8, 4), equalizedlR=False)
    z = torch.randn(3, 6)
    expected = images_by_hand(tensors, z, equalised=False)
    assert float((made_of(read_gan_zoo(path), z) - expected).abs().max()) < 1e-5 * float(expected.abs().max())


@pytest.mark.parametrize("module", ["config", "models.utils.config", "a.b.c.d"])
def test_the_class_of_settings_may_come_from_any_module(tmp_path, module):
    tensors = draw_tensors(6, (8, 4), seed=4)
    for old in (True, False):
        path = write_zoo(tmp_path / "pgan.pth", {"avgG": tensors}, 6, (8, 4), module=module, old=old)
        assert read_gan_zoo(path).module.depths == (8, 4)


def test_settings_that_make_another_network_are_refused_by_name(tmp_path):
    tensors = draw_tensors(6, (8, 4), seed=4)
    for name, value in {
        "leakyReluLeak": 0.1,
        "perChannelNormalization": False,
        "lossCriterion": "DCGAN",
        "categoryVectorDim": 3,
        "alpha": 1.5,
        "depthOtherScales": [5],
        "depthScale0": 9,
        "latentVectorDim": 7,
    }.items():
        path = write_zoo(tmp_path / "pgan.pth", {"avgG": tensors}, 6, (8, 4), **{name: value})
        with pytest.raises(InputError, match=rf"pgan\.pth: config\.{name}: expected .*this network cannot be read"):
            read_gan_zoo(path)
    grey = draw_tensors(6, (8, 4), seed=4, channels=1)
    with pytest.raises(InputError, match=r"config\.dimOutput: expected 3: RGB"):
        read_gan_zoo(write_zoo(tmp_path / "pgan.pth", {"avgG": grey}, 6, (8, 4), dimOutput=1))
    del tensors["scaleLayers.0.1.module.bias"]
    with pytest.raises(InputError, match="1 missing"):
        read_gan_zoo(write_zoo(tmp_path / "pgan.pth", {"avgG": tensors}, 6, (8, 4)))
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="no generator of this kind"):
        read_gan_zoo(tmp_path / "other.pth")


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def harmful(tmp_path):
    """Objects that would leave a file behind when they are loaded, and what each asks for."""
    mark = tmp_path / "ran"
    inner = io.BytesIO()
    torch.save({"x": Calls(os.system, f"touch {mark}")}, inner)
    return mark, {
        "posix.system|nt.system": Calls(os.system, f"touch {mark}"),
        "builtins.eval|__builtin__.eval": Calls(eval, f"open({str(mark)!r}, 'w')"),
        "builtins.exec|__builtin__.exec": Calls(exec, f"open({str(mark)!r}, 'w')"),
        "builtins.getattr|__builtin__.getattr": Calls(getattr, Calls(os.system, f"touch {mark}"), "x"),
        "torch.storage._load_from_bytes": Calls(torch.storage._load_from_bytes, inner.getvalue()),
        "_pickle.loads|pickle.loads": Calls(pickle.loads, pickle.dumps(Calls(os.system, f"touch {mark}"))),
    }


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("place", ["config", "within settings", "within weights", "beside"])
def test_a_file_that_asks_for_anything_else_is_refused_and_runs_nothing(tmp_path, old, protocol, place):
    mark, objects = harmful(tmp_path)
    path = tmp_path / "pgan.pth"
    for asked, harm in objects.items():
        with settings_class() as settings:
            config = settings()
            config.alpha = harm if place == "within settings" else 0.0
            held = {"config": harm if place == "config" else config, "avgG": draw_tensors(6, (8, 4), seed=1)}
            if place == "within weights":
                held["avgG"]["nested"] = [{"deeper": (harm,)}]
            if place == "beside":
                held["tmp"] = harm
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.save(held, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not old)
        names = asked.replace(".", r"\.")
        for read in (read_gan_zoo, read_torch, open_generator):
            line = rf"pgan\.pth: expected a file of torch\.save .*asks for .*'({names})'"
            with pytest.raises(InputError, match=line) as refused:
                read(path)
            assert "nothing of it ran" in str(refused.value)
            assert "\n" not in str(refused.value)
        assert not mark.exists()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with settings_class():
            torch.load(path, weights_only=False)
    assert mark.exists(), "the control: a reader that trusts runs it"


def test_a_class_of_settings_with_another_name_and_functions_called_so_are_refused(tmp_path):
    path = tmp_path / "pgan.pth"
    with settings_class(name="OtherConfig") as other:
        torch.save({"config": other()}, path)
    with pytest.raises(InputError, match=r"asks for 'models\.utils\.config\.OtherConfig'"):
        read_gan_zoo(path)
    with settings_class():

        class Called:
            def __reduce__(self):
                return sys.modules[MODULE].BaseConfig, ("argument",)

        torch.save({"config": Called()}, path)
    with pytest.raises(InputError, match=r"expected a file of torch\.save"):
        read_gan_zoo(path)


def test_a_plain_pickle_of_harm_is_refused(tmp_path):
    mark = tmp_path / "ran"
    path = tmp_path / "pgan.pth"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps(Calls(os.system, f"touch {mark}"), protocol=protocol))
        with pytest.raises(InputError, match=r"asks for '(posix|nt)\.system'"):
            open_generator(path)
    assert not mark.exists()


def test_settings_take_no_state_but_attributes(tmp_path):
    """What a pickle can do to an object beside setting its attributes: states that are no dictionaries."""
    for state in (b"(K\x01K\x02l", b"(K\x01K\x02d", b"}(U\x01aK\x01u}(U\tmalicious1K\x01u\x86"):
        body = b"\x80\x02cmodels.utils.config\nBaseConfig\n)\x81" + state + b"b."
        with zipfile.ZipFile(tmp_path / "pgan.pth", "w") as archive:
            archive.writestr("pgan/data.pkl", body)
            archive.writestr("pgan/version", "3\n")
        with pytest.raises(InputError, match=r"pgan\.pth: expected a file of torch\.save"):
            read_torch(tmp_path / "pgan.pth", bags=("BaseConfig",))


def test_damaged_and_missing_files_are_one_line(tmp_path):
    path = write_zoo(tmp_path / "pgan.pth", {"avgG": draw_tensors(6, (8, 4), seed=4)}, 6, (8, 4))
    whole = path.read_bytes()
    for content in (b"", b"nonsense", whole[:30], whole[: len(whole) // 2], whole[:-9]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"pgan\.pth: expected .*copy it afresh") as refused:
            read_gan_zoo(path)
        assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="nothing of this name"):
        read_gan_zoo(tmp_path / "none.pth")
    with pytest.raises(InputError, match="found a folder"):
        read_gan_zoo(tmp_path)
