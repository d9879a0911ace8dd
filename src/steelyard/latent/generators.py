"""Which generator, as a configuration or a word on the command line says it, and how it is opened."""

import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from steelyard.base.errors import InputError, MissingExtraError
from steelyard.tables.messages import closest, complaint, listed, quoted

if TYPE_CHECKING:
    from steelyard.latent.generator import Generator

PORTRAITS, FACES = "portraits", "gan-face-generate"
PROGRAMS = ("torchscript", "export")
"""Kinds of file that are programs: opened only where the source says so."""
RUN_WEIGHTS = "generator.safetensors"
_SHIPPED = "portraits.safetensors"
_CLASS_PATH = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")
_KINDS = "portraits, gan-face-generate, a file, a folder of steelyard generator train, or package.module:callable"


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorOptions:
    """A generator.

    Attributes:
        source: `portraits` (comes with the package), `gan-face-generate` (weights of that package), a file of weights
            (a progressive GAN of this package or of pytorch_GAN_zoo, a DCGAN: seen from its content), the folder of a
            run of `steelyard generator train`, `package.module:callable` (latents to images; it must be importable),
            or a file that is a program, which is run: `torchscript:FILE`, `export:FILE` (of torch.export).
        latent_dim: width of the draws z of a callable or program; null asks its attribute `latent_dim`.
        arguments: what a callable that is a class, or makes the generator, is called with first.
        mapping: z to w, where hyperplanes are to live in w: an attribute of the generator, or package.module:callable.
        normalize: whether a progressive GAN divides latents by their root mean square; null does as its file says.
        device: of PyTorch, such as cpu or cuda:0.
    """

    source: str = PORTRAITS
    latent_dim: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    mapping: str | None = None
    normalize: bool | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Check them.

        Raises:
            InputError: no source, or a width below 1.
        """
        if not self.source:
            raise InputError(f"generator.source: expected {_KINDS}, found nothing; name one")
        if self.latent_dim is not None and self.latent_dim < 1:
            raise InputError(f"generator.latent_dim: expected 1 or more, found {self.latent_dim}; raise it")


def open_generator(options: "GeneratorOptions | str | Path") -> "Generator":
    """The generator of these options, or of a source alone.

    Raises:
        InputError: there is none of this name, its file is not what it must be, what it makes is not images, or there
            is no such device.
        MissingExtraError: PyTorch, or the package of its weights, is not installed.
    """
    chosen = options if isinstance(options, GeneratorOptions) else GeneratorOptions(source=str(options))
    _require_torch()
    _require_device(chosen.device)
    source = chosen.source
    program, _, file = source.partition(":")
    if program in PROGRAMS and file:
        return _of_callable(chosen, _program(program, Path(file)), f"{program} {Path(file).name}")
    if source == FACES:
        from steelyard.latent.dcgan_file import packaged_weights, read_dcgan
        from steelyard.latent.wrappers import DcganLatents

        return DcganLatents(read_dcgan(packaged_weights()), name=FACES, device=chosen.device)
    if source == PORTRAITS:
        path = _shipped()
        if not path.is_file():
            raise InputError(
                f"the generator {PORTRAITS}: expected its weights at {path}, found none; install steelyard anew"
            )
        return _progressive(chosen, path, PORTRAITS)
    if Path(source).exists():
        return _of_file(chosen, Path(source))
    if _CLASS_PATH.match(source):
        return _of_callable(chosen, _imported(source, "source"), source)
    hint = closest(source, (PORTRAITS, FACES))
    raise InputError(
        f"generator.source: expected {_KINDS}, found {quoted(source)}{hint}, which is not there; correct it"
    )


def _require_torch() -> None:
    try:
        import_module("torch")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("generators need PyTorch: pip install 'steelyard[train]'") from error


def _require_device(name: str) -> None:
    import torch

    try:
        torch.zeros(1).to(torch.device(name)).cpu()
    except (RuntimeError, AssertionError, ImportError) as error:  # by the kind of device
        there = listed(("cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))), 4)
        raise InputError(
            f"generator.device: expected a device that PyTorch has here, such as {there}, found {quoted(name)}; "
            "correct it"
        ) from error


def weights_of(options: GeneratorOptions) -> Path | None:
    """The file that has the whole of a generator; None for a callable, or where there is no such file.

    Raises:
        MissingExtraError: the package of its weights is not installed.
    """
    program, _, file = options.source.partition(":")
    path = Path(options.source)
    if program in PROGRAMS and file:
        path = Path(file)
    elif options.source == PORTRAITS:
        path = _shipped()
    elif options.source == FACES:
        from steelyard.latent.dcgan_file import packaged_weights

        path = packaged_weights()
    elif path.is_dir():
        path /= RUN_WEIGHTS
    return path if path.is_file() else None


def _shipped() -> Path:
    return Path(str(files("steelyard.latent") / _SHIPPED))


def _of_file(options: GeneratorOptions, path: Path) -> "Generator":
    """The generator of a file, by what is in it."""
    if path.is_dir():
        if not (path / RUN_WEIGHTS).is_file():
            expected = f"a run of steelyard generator train, with {RUN_WEIGHTS}"
            found = "a folder without it"
            raise InputError(complaint(str(path), "", expected=expected, found=found, do="train on, or name another"))
        return _progressive(options, path / RUN_WEIGHTS, f"{path.name}/{RUN_WEIGHTS}")
    if _is_safetensors(path):
        return _progressive(options, path, path.name)
    if (program := _program_in(path)) is not None:
        do = f"write {program}:{path} to run it, if you trust it"
        raise InputError(complaint(str(path), "", expected="weights", found=f"a program ({program})", do=do))
    from steelyard.latent import dcgan_file, gan_zoo
    from steelyard.latent.torch_file import read_torch
    from steelyard.latent.wrappers import DcganLatents, ProgressiveLatents

    held = read_torch(path, bags=(gan_zoo.SETTINGS,))
    if gan_zoo.is_gan_zoo(held):
        read = gan_zoo.from_held(path, held)
        return ProgressiveLatents(
            read.module,
            name=path.name,
            scale=read.scale,
            alpha=read.alpha,
            normalize=options.normalize,
            device=options.device,
        )
    if dcgan_file.state_of(held) is not None:
        return DcganLatents(dcgan_file.from_held(path, held), name=path.name, device=options.device)
    found = (
        f"names {', '.join(map(str, list(held)[:3]))} …" if isinstance(held, Mapping) else f"a {type(held).__name__}"
    )
    expected = "a progressive GAN (of steelyard or pytorch_GAN_zoo) or a DCGAN"
    do = "wrap another network in a callable: package.module:callable"
    raise InputError(complaint(str(path), "", expected=expected, found=found, do=do))


def _progressive(options: GeneratorOptions, path: Path, name: str) -> "Generator":
    from steelyard.latent.progressive_file import load_generator
    from steelyard.latent.wrappers import ProgressiveLatents

    read = load_generator(path)
    return ProgressiveLatents(
        read.module,
        name=name,
        scale=read.scale,
        alpha=read.alpha,
        normalize=options.normalize,
        device=options.device,
    )


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: eight bytes of length, then JSON."""
    with path.open("rb") as file:
        return path.suffix == ".safetensors" or file.read(9)[8:] == b"{"


def _program_in(path: Path) -> str | None:
    """Which program an archive holds; None for weights alone, or no archive."""
    from steelyard.latent.torch_file import is_archive

    if not is_archive(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2] or name for name in archive.namelist()}
    except zipfile.BadZipFile:  # damaged: said by what reads weights
        return None
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        return "torchscript"
    if "models/model.json" in names or any("serialized_exported_program" in name for name in names):
        return "export"
    return None


def _program(kind: str, path: Path) -> Callable[..., Any]:
    import torch

    do = "save it again, or correct the path"
    if not path.is_file() or _program_in(path) != kind:
        found = "another file" if path.is_file() else "nothing of this name"
        raise InputError(complaint(str(path), "", expected=f"a program ({kind})", found=found, do=do))
    try:
        if kind == "export":
            graph = torch.export.load(path).module()
            # As a function: the graph was exported in one mode and on one device, and takes no other.
            return lambda z: graph(z)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*torch.jit.* is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", ".*torch.jit.* is deprecated", DeprecationWarning)
            return cast("Callable[..., Any]", torch.jit.load(str(path), map_location="cpu"))  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        found = f"one that cannot be opened ({quoted(error)})"
        raise InputError(complaint(str(path), "", expected=f"a program ({kind})", found=found, do=do)) from error


def _imported(class_path: str, option: str) -> Any:
    module_name, _, names = class_path.partition(":")
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise InputError(
            f"generator.{option}: expected an importable module, found no {quoted(error.name)}; install it, or "
            "name its folder in PYTHONPATH"
        ) from None
    for name in names.split("."):
        if not hasattr(found, name):
            hint = closest(name, dir(found))
            raise InputError(f"generator.{option}: expected {class_path}, found no {quoted(name)}{hint}; correct it")
        found = getattr(found, name)
    return found


def _of_callable(options: GeneratorOptions, call: Any, name: str) -> "Generator":
    from steelyard.latent.wrappers import CallableGenerator

    if isinstance(call, type) or options.arguments:
        try:
            call = call(**options.arguments)
        except TypeError as error:
            raise InputError(
                f"generator.arguments: expected those of {name}, found others ({quoted(error)})"
            ) from error
    if not callable(call):
        raise InputError(f"{name}: expected a callable, latents to images, found a {type(call).__name__}; name another")
    width = getattr(call, "latent_dim", None) if options.latent_dim is None else options.latent_dim
    if not isinstance(width, int):
        raise InputError(f"generator.latent_dim: expected the width of the latents of {name}, found nothing; give it")
    mapping = _mapping(options.mapping, call, name)
    return CallableGenerator(call, width, name=name, mapping=mapping, device=options.device)


def _mapping(named: str | None, call: Any, name: str) -> Callable[[Any], Any] | None:
    if named is None:
        return None
    found = _imported(named, "mapping") if ":" in named else getattr(call, named, None)
    if not callable(found):
        raise InputError(
            f"generator.mapping: expected a callable (an attribute of {name}, or package.module:callable), found "
            f"{quoted(named)}, which is none; correct it"
        )
    return cast("Callable[[Any], Any]", found)
