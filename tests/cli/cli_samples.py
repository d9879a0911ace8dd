"""A small made-up world as files: people in places, verbs, objects, and models of several kinds beside them."""

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steelyard.cli.main import main

VERBS = ("cook", "read", "run", "swim")
OBJECTS = ("o0", "o1", "o2", "o3", "o4")
FLAGS = (*OBJECTS, "never")
ROWS = {"train": 300, "val": 120, "test": 180}

QUICK = "--rounds 2 --folds 3 --permutations 3 --bootstrap 40 --levels 3 --workers 1 --attackers logistic --quiet"
SINGLE = "audit --labels labels.csv --protected sex --target verb"
MULTI = "audit --labels labels.csv --protected sex --targets o*,never"

AUDITS = {
    "verbs": SINGLE,
    "objects": MULTI,
    "verbs, test": f"{SINGLE} --predictions verbs_test.csv --kind logits",
    "verbs, all splits": f"{SINGLE} --predictions verbs_all.csv --kind logits --predicted-protected seen",
    "verbs, no split": f"{SINGLE.replace('labels.csv', 'unsplit.csv')} --predictions verbs_all.csv --kind logits",
    "verbs, decisions": f"{SINGLE} --predictions verbs_decisions.csv --kind decisions",
    "objects, test": f"{MULTI} --predictions objects_test.csv --kind logits",
    "objects, f1": f"{MULTI} --predictions objects_probabilities.csv --kind probabilities --threshold f1",
    "objects, calibrated": f"{MULTI} --predictions objects_valtest.csv --kind logits --threshold calibrated",
    "objects, val only": f"{MULTI} --predictions objects_val.csv --kind probabilities --threshold f1",
    "objects, decisions": f"{MULTI} --predictions objects_decisions.csv --kind decisions --predicted-protected seen",
    "objects, below the floor": f"{MULTI} --predictions objects_hopeless.csv --kind logits",
    "three groups, verbs": f"{SINGLE.replace('sex', 'place')} --predictions verbs_test.csv --kind logits",
    "three groups, objects": "audit --labels labels.csv --protected place --targets o* "
    "--predictions objects_test.csv --kind logits",
    "no curve, no p-value": f"{SINGLE} --levels none --permutations 0",
    "one round": f"{SINGLE} --predictions verbs_test.csv --kind logits --rounds 1",
    "default family": f"{MULTI} --predictions objects_test.csv --kind logits --attackers logistic,boosting "
    "--levels none --rounds 1 --permutations 1",
}


def world(seed: int = 5) -> pd.DataFrame:
    """600 images: two sexes, three places, a verb and five objects that lean to a group, and one never seen."""
    rng = np.random.default_rng(seed)
    n = sum(ROWS.values())
    sex = rng.choice(["man", "woman"], n, p=[0.55, 0.45])
    place = rng.choice(["city", "shore", "wood"], n, p=[0.4, 0.35, 0.25])
    typical = np.where(sex == "woman", "cook", "run")
    columns: dict[str, Any] = {
        "image": [f"{i:04}.jpg" for i in range(n)],
        "split": np.repeat(list(ROWS), list(ROWS.values())),
        "sex": sex,
        "place": place,
        "verb": np.where(rng.random(n) < 0.5, typical, rng.choice(VERBS, n)),
    }
    for j, name in enumerate(OBJECTS):
        columns[name] = (rng.random(n) < 0.25 + 0.08 * j + 0.2 * (sex == "woman") * (j < 2)).astype(int)
    columns["never"] = 0
    columns["age"] = rng.integers(10, 80, n)
    return pd.DataFrame(columns)


def logits(frame: pd.DataFrame, names: tuple[str, ...], seed: int = 6) -> pd.DataFrame:
    """Scores that follow the truth, lean to a group, and err; with the group that the model sees."""
    rng = np.random.default_rng(seed)
    truth = np.stack([frame["verb"] == name if name in VERBS else frame[name] == 1 for name in names], axis=1)
    lean = 0.5 * (frame["sex"] == "woman").to_numpy()[:, None] * np.resize([1.0, -1.0], len(names))
    scores = (rng.normal(size=truth.shape) + 2.0 * truth - 1.0 + lean).round(4)
    table = pd.DataFrame(scores, columns=list(names))
    table.insert(0, "image", frame["image"])
    table["seen"] = np.where(rng.random(len(frame)) < 0.85, frame["sex"], rng.choice(["man", "woman"], len(frame)))
    table["comment"] = "x"
    return table


def write_world(folder: Path) -> None:
    """Every file that the tests use."""
    frame = world()
    frame.to_csv(folder / "labels.csv", index=False)
    frame.drop(columns="split").to_csv(folder / "unsplit.csv", index=False)
    test, heldout = frame["split"] == "test", frame["split"] != "train"
    verbs, objects = logits(frame, VERBS), logits(frame, FLAGS)
    for rows, where in ((test, "test"), (heldout, "valtest"), (np.ones(len(frame), dtype=bool), "all")):
        verbs[rows].to_csv(folder / f"verbs_{where}.csv", index=False)
        objects[rows].to_csv(folder / f"objects_{where}.csv", index=False)
    shares = objects.copy()
    shares[list(FLAGS)] = (1 / (1 + np.exp(-objects[list(FLAGS)]))).round(6)
    shares[heldout].to_csv(folder / "objects_probabilities.csv", index=False)
    shares[frame["split"] == "val"].to_csv(folder / "objects_val.csv", index=False)
    decided = objects.copy()
    decided[list(FLAGS)] = (objects[list(FLAGS)] >= 0).astype(int)
    decided[test].to_csv(folder / "objects_decisions.csv", index=False)
    one_column = verbs[["image"]].assign(verb=np.array(VERBS)[verbs[list(VERBS)].to_numpy().argmax(axis=1)])
    one_column[test].to_csv(folder / "verbs_decisions.csv", index=False)
    hopeless = objects.copy()
    hopeless[list(FLAGS)] = -1 - hopeless[list(FLAGS)].abs()
    hopeless[test].to_csv(folder / "objects_hopeless.csv", index=False)


@dataclass(frozen=True)
class Run:
    """What one call of the command left."""

    out: str
    err: str
    folder: Path

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "report.json").read_text(), parse_constant=_refuse)

    @property
    def per_label(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "per_label.csv", index_col="label")

    def estimate(self, name: str, of: str | None = None) -> dict[str, Any]:
        found = [e for e in self.report["estimates"] if e["name"] == name and of in (None, e["of"])]
        assert len(found) == 1, (name, of, len(found))
        return found[0]

    def omitted(self) -> dict[str, str]:
        return {item["name"]: item["reason"] for item in self.report["omitted"]}


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} in a report")


def audit(folder: Path, command: str, out: Path) -> Run:
    """Run `audit …` inside `folder`, in this process; what `command` says goes before the quick options."""
    verb, *words = command.split()
    said, progress = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(progress):
        main([verb, *QUICK.split(), *words, "--out", str(out)])
    return Run(said.getvalue(), progress.getvalue(), out)


def call(command: str) -> None:
    """The command as typed."""
    main(command.split())
