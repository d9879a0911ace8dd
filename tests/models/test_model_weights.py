"""Files of weights: written whole or not at all, read without running what they hold."""

import errno
import pickle
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors import safe_open  # noqa: E402
from torch import nn  # noqa: E402

from steelyard.base.errors import InputError  # noqa: E402
from steelyard.models.weights import load_weights, read_weights, save_weights  # noqa: E402

pytestmark = pytest.mark.torch
MADE = {"model": "small"}


def module(seed=0, width=4):
    made = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Linear(width, 2))
    generator = torch.Generator().manual_seed(seed)
    for value in made.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.randn(value.shape, generator=generator))
    return made


def equal(one, other):
    other = other.state_dict()
    return all(torch.equal(value, other[name]) for name, value in one.state_dict().items())


def test_what_is_written_is_read_bit_by_bit(tmp_path):
    path, written, read = tmp_path / "w.safetensors", module(1).to(memory_format=torch.channels_last), module(2)
    written[1].num_batches_tracked.fill_(7)
    save_weights(path, written, MADE)
    assert not equal(written, read), "control"
    assert load_weights(path, read, what="a small network", expected=MADE)["model"] == "small"
    assert equal(written, read)
    assert read[1].num_batches_tracked.item() == 7
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["model"] == "small"
    assert [one.name for one in tmp_path.iterdir()] == ["w.safetensors"]


def test_weights_that_share_storage(tmp_path):
    tied = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    tied[1].weight = tied[0].weight
    save_weights(tmp_path / "w.safetensors", tied, {})
    apart = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    load_weights(tmp_path / "w.safetensors", apart, what="two layers")
    assert torch.equal(apart[0].weight, apart[1].weight)


@pytest.mark.parametrize("stage", ["write_bytes", "replace"])
def test_a_full_disk_leaves_the_file_before_it(stage, tmp_path, monkeypatch):
    path, before = tmp_path / "w.safetensors", module(1)
    save_weights(path, before, MADE)
    whole = Path.write_bytes

    def fail(self, given):
        if stage == "write_bytes":
            whole(self, given[: len(given) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, stage, fail)
    with pytest.raises(
        InputError, match=r"w.safetensors: expected a writable path with 0.0 MB of room, found No space"
    ):
        save_weights(path, module(2), MADE)
    monkeypatch.undo()
    assert [one.name for one in tmp_path.iterdir()] == ["w.safetensors"]
    read = module(3)
    load_weights(path, read, what="it")
    assert equal(before, read)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"expected a writable path .* found No such file or directory"):
        save_weights(tmp_path / "none" / "w.safetensors", module(), MADE)


def test_another_model_and_other_shapes_are_refused_and_change_nothing(tmp_path):
    path, read = tmp_path / "w.safetensors", module(2)
    save_weights(path, module(1, width=5), MADE)
    with pytest.raises(
        InputError, match=r"weights of a large network \(model 'large'\), found model 'small'; give the"
    ):
        load_weights(path, read, what="a large network", expected={"model": "large"})
    with pytest.raises(InputError, match=r"found seed not stated"):
        load_weights(path, read, what="it", expected={"seed": "1"})
    with pytest.raises(
        InputError, match=r"of another shape \(.*0.weight: expected \[4, 3, 3, 3\], found \[5, 3, 3, 3\]"
    ):
        load_weights(path, read, what="it", expected=MADE)
    with pytest.raises(
        InputError, match=r"1 missing \(weight\), 7 not expected|2 missing \(weight, bias\), 9 not expected"
    ):
        load_weights(path, nn.Linear(2, 2), what="it")
    assert equal(read, module(2))


class Payload:
    """What a hostile pickle does when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [2, 4, None])
def test_a_hostile_pickle_is_refused_and_runs_nothing(protocol, tmp_path):
    path, sign = tmp_path / "w.pth", tmp_path / "ran"
    if protocol:
        path.write_bytes(pickle.dumps({"weight": Payload(sign)}, protocol=protocol))
    else:
        torch.save({"weight": torch.zeros(2), "more": Payload(sign)}, path)
    with pytest.raises(
        InputError, match=r"w.pth: expected weights alone, found Python objects other than tensors"
    ) as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)
    assert not sign.exists()
    if protocol:
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert sign.exists(), "control: read carelessly, it runs"


def test_a_pickle_under_the_name_of_safetensors_runs_nothing(tmp_path):
    path, sign = tmp_path / "w.safetensors", tmp_path / "ran"
    path.write_bytes(pickle.dumps({"weight": Payload(sign)}))
    with pytest.raises(InputError, match="a file that cannot be read"):
        read_weights(path)
    assert not sign.exists()


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.safetensors"])
def test_damaged_files_are_refused_in_one_line(name, tmp_path):
    path = tmp_path / name
    if name.endswith("safetensors"):
        save_weights(path, module(), MADE)
    else:
        torch.save(module().state_dict(), path)
    whole = path.read_bytes()
    for part in (b"", b"not weights at all", whole[: len(whole) // 2]):
        path.write_bytes(part)
        with pytest.raises(InputError, match=f"{name}: expected") as caught:
            read_weights(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("held", [[1, 2], {}, {"weight": 3}, {1: torch.zeros(2)}, torch.zeros(3)])
def test_what_is_no_state_dict_is_refused(held, tmp_path):
    torch.save(held, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"w.pt: expected a state dict \(names to tensors\), found a"):
        read_weights(tmp_path / "w.pt")


def test_other_extensions_and_folders(tmp_path):
    with pytest.raises(InputError, match=r"expected .safetensors, .pth, .pt, found the extension '.bin'"):
        read_weights(tmp_path / "w.bin")
    (tmp_path / "w.pth").mkdir()
    with pytest.raises(InputError, match="found a folder"):
        read_weights(tmp_path / "w.pth")
