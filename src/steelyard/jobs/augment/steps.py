"""Steps that leave their results in folders, are skipped where these stand, and go on where they were stopped.

    OUT/STEP/step.json     written last: fingerprint, files with their hashes, seconds, what came of it in words
    OUT/STEP/begun.json    written first: the fingerprint of what lies half done

A step's fingerprint is that of the options that it reads, of the data and the generator where it reads them, and of the
files of the steps before it. A result stands where its fingerprint is that of now and its files are what they were.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from steelyard.base.errors import InputError
from steelyard.jobs.augment.work import Work
from steelyard.jobs.training_config import FREE_TO_CHANGE
from steelyard.reports.provenance import fingerprint
from steelyard.reports.records import dump_json, load_json, write_text
from steelyard.tables.messages import closest, complaint, listed

DONE, BEGUN = "step.json", "begun.json"
Input = Literal["data", "generator"]
_FREE = frozenset({*FREE_TO_CHANGE, "pairs.shown", "latents.batch"})


@dataclass(frozen=True, slots=True)
class Made:
    """What a step made.

    Attributes:
        files: that later steps read, in the step's folder.
        large: others, known by their size alone, as they are too many to be read for it.
        says: what came of it, in a sentence.
        record: figures for the page, as plain JSON types.
    """

    files: tuple[Path, ...]
    says: str
    record: Mapping[str, Any]
    large: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        name: of its folder.
        what: it does, in words.
        run: does it in the folder; what lies there half done is of the same fingerprint.
        after: steps whose files it reads.
        options: sections and options that it reads, dotted; the files that these sections name are read with them.
        inputs: whether it reads the real images (`data`) or makes images (`generator`).
    """

    name: str
    what: str
    run: Callable[[Work, Path], Made]
    after: tuple[str, ...]
    options: tuple[str, ...]
    inputs: tuple[Input, ...] = ()


def run_steps(
    work: Work, steps: Sequence[Step], *, only: str | None = None, anew_from: str | None = None
) -> dict[str, dict[str, Any]]:
    """Run the steps whose results do not stand.

    Args:
        work: of the command.
        steps: in their order.
        only: this step alone; those before it must stand.
        anew_from: this step and those after it, whether their results stand or not.

    Returns:
        Step → what its `step.json` says, of every step that stands now.

    Raises:
        InputError: no such step, one before `only` that does not stand, or as the step says.
    """
    names = [step.name for step in steps]
    for option, name in (("--step", only), ("--from", anew_from)):
        if name is not None and name not in names:
            found = f"{name!r}{closest(name, names)}"
            raise InputError(complaint(option, "", expected=f"one of {', '.join(names)}", found=found, do="choose one"))
    if only is not None and anew_from is not None and names.index(anew_from) != names.index(only):
        expected, do = f"{only} or nothing beside --step {only}", "drop one of the two"
        raise InputError(complaint("--from", "", expected=expected, found=anew_from, do=do))
    anew = set() if anew_from is None else set(names[names.index(anew_from) :])
    if only is not None:
        anew &= {only}
    done: dict[str, dict[str, Any]] = {}
    for step in steps:
        if lacking := [name for name in step.after if name not in done]:
            if only is None or only == step.name:
                found, do = f"none of {listed(lacking)}", f"run it first: --step {lacking[0]}"
                raise InputError(complaint(f"--step {step.name}", "", expected="what it reads", found=found, do=do))
            continue
        mark = _mark(work, step, done)
        standing = None if step.name in anew else _standing(work.path(step.name), mark)
        if standing is not None:
            work.progress(f"{step.name}: stands ({standing['says']})")
            done[step.name] = standing
        elif only in (None, step.name):
            done[step.name] = _do(work, step, mark, anew=step.name in anew)
        if step.name == only:
            break
    return done


def _do(work: Work, step: Step, mark: str, *, anew: bool) -> dict[str, Any]:
    folder = work.path(step.name)
    theirs = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.exists() else []
    if theirs and not any((folder / name).exists() for name in (DONE, BEGUN)):
        expected, do = "a step of this command or nothing", "name another folder as out"
        raise InputError(complaint(str(folder), "", expected=expected, found="other files", do=do))
    begun = _read(folder / BEGUN) or {}
    if folder.exists() and (anew or begun.get("fingerprint") != mark):
        shutil.rmtree(folder)
        begun = {}
    sessions = int(begun.get("sessions", 0)) + 1
    write_text(folder / BEGUN, json.dumps({"fingerprint": mark, "sessions": sessions}))
    (folder / DONE).unlink(missing_ok=True)
    work.progress(f"{step.name}: {step.what}")
    start = time.monotonic()
    made = step.run(work, folder)
    record = {
        "fingerprint": mark,
        "files": {str(path.relative_to(folder)): fingerprint(path)["sha256"] for path in made.files},
        "large": {str(path.relative_to(folder)): path.stat().st_size for path in made.large},
        "seconds": round(time.monotonic() - start, 3),
        "sessions": sessions,
        "says": made.says,
        "record": made.record,
    }
    write_text(folder / DONE, dump_json(record))
    work.progress(f"{step.name}: {made.says}")
    return record


def _standing(folder: Path, mark: str) -> dict[str, Any] | None:
    """What the step's record says, where its result is of this fingerprint and whole."""
    record = _read(folder / DONE)
    if record is None or record.get("fingerprint") != mark:
        return None
    for name, digest in record["files"].items():
        path = folder / name
        if not path.is_file() or fingerprint(path)["sha256"] != digest:
            return None
    for name, size in record.get("large", {}).items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            return None
    return record


def _mark(work: Work, step: Step, done: Mapping[str, Mapping[str, Any]]) -> str:
    """The step's fingerprint as it would be now."""
    whole = work.config.to_dict()
    inputs: dict[Input, Callable[[], str]] = {
        "data": lambda: work.data_mark,
        "generator": lambda: work.generator_mark,
    }
    record = {
        "step": step.name,
        "options": {name: _chosen(whole, name) for name in step.options},
        "inputs": {name: inputs[name]() for name in step.inputs},
        "given": work.given_mark(step.options),
        "after": {name: done[name]["files"] for name in step.after},
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _chosen(whole: Mapping[str, Any], name: str) -> Any:
    """An option, or a section without what only says where the work is done."""
    value: Any = whole
    for part in name.split("."):
        value = None if value is None else value[part]
    return _without(value, name)


def _without(value: Any, name: str) -> Any:
    if not isinstance(value, Mapping):
        return value
    inner = {key: (f"{name}.{key}", held) for key, held in value.items()}
    tail = {key: ".".join(dotted.split(".")[-2:]) for key, (dotted, _) in inner.items()}
    return {key: _without(held, dotted) for key, (dotted, held) in inner.items() if tail[key] not in _FREE}


def _read(path: Path) -> dict[str, Any] | None:
    """A record; None where there is none, or a damaged one."""
    if not path.is_file():
        return None
    try:
        held = load_json(path)
    except InputError:
        return None
    return held if isinstance(held, dict) else None


def files_in(folder: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """Files of a folder by name."""
    return tuple(folder / name for name in names)
