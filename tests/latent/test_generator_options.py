"""What the options of a generator say: its device, the file of its weights, and how latents of one's own are taken."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from test_generators import progressive  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.latent import generators as generators_module  # noqa: E402
from steelyard.latent.generator import BringsLatents  # noqa: E402
from steelyard.latent.generators import GeneratorOptions, open_generator, weights_of  # noqa: E402
from steelyard.latent.progressive_file import save_generator  # noqa: E402

pytestmark = pytest.mark.torch


def test_latents_of_any_scale_are_brought_to_what_the_generator_uses(tmp_path):
    save_generator(tmp_path / "a.safetensors", progressive(), scale=1)
    source = str(tmp_path / "a.safetensors")
    back, free = (open_generator(GeneratorOptions(source=source, normalize=normalize)) for normalize in (None, False))
    z = back.sample(50, seed=0)
    for scale in (0.1, 1.0, 7.0):
        assert back.as_used(scale * z) == pytest.approx(z, abs=1e-5)
        assert np.array_equal(free.as_used(scale * z), scale * z)
        images = back.synthesize(torch.from_numpy(np.float32(scale) * z))
        assert torch.allclose(back.synthesize(torch.from_numpy(back.as_used(scale * z))), images, atol=1e-4)
    assert back.as_used(z.astype(np.float64)).dtype == np.float32
    assert isinstance(back, BringsLatents)
    assert not isinstance(open_generator(GeneratorOptions(source="generator_worlds:Painter")), BringsLatents)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", "hpu", ""])
def test_a_device_that_is_not_here_is_one_line(device):
    with pytest.raises(
        InputError, match=rf"generator\.device: expected .*'cpu'.*, found '{device}'; correct"
    ) as refused:
        open_generator(GeneratorOptions(device=device))
    assert "\n" not in str(refused.value)
    assert open_generator(GeneratorOptions(device="cpu:0")).name == "portraits"  # the control


def test_the_file_that_has_the_weights(tmp_path):
    (tmp_path / "generator.safetensors").touch()
    expected = {
        str(tmp_path): tmp_path / "generator.safetensors",
        f"export:{tmp_path}/generator.safetensors": tmp_path / "generator.safetensors",
        "portraits": Path(generators_module.__file__).parent / "portraits.safetensors",
        "generator_worlds:paint": None,
    }
    for source, file in expected.items():
        assert weights_of(GeneratorOptions(source=source)) == file
