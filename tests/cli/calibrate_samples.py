"""A made-up corpus as files: labels that lean to a group, and potentials of a model that leans further."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steelyard.tables import PotentialTable, write_potentials

PLACES = ("city", "shore", "wood")
OBJECTS = ("apple", "bench", "car", "dog", "egg")
VERBS = ("cook", "read", "run")
TRAIN, TEST = 600, 300


def labels(seed: int = 3) -> pd.DataFrame:
    """Two sexes, three places, five objects and a verb; `egg` is rare."""
    rng = np.random.default_rng(seed)
    n = TRAIN + TEST
    sex = rng.choice(["man", "woman"], n, p=[0.6, 0.4])
    place = rng.choice(PLACES, n, p=[0.5, 0.3, 0.2])
    table: dict[str, Any] = {"image": [f"{i:04}.jpg" for i in range(n)], "split": ["train"] * TRAIN + ["test"] * TEST}
    table |= {"sex": sex, "place": place}
    woman, city = sex == "woman", place == "city"
    for j, name in enumerate(OBJECTS):
        lean = (0.2 if j % 2 else -0.15) * woman + 0.15 * (j == 2) * city
        table[name] = (rng.random(n) < (0.03 if name == "egg" else 0.35 + lean)).astype(int)
    table["verb"] = np.where(rng.random(n) < 0.5, np.where(woman, "cook", "run"), rng.choice(VERBS, n))
    return pd.DataFrame(table)


def multi(frame: pd.DataFrame, column: str, seed: int = 4) -> PotentialTable:
    """Potentials of the test images: the truth, noise, and a pull of each label towards the group that has it more."""
    rng = np.random.default_rng(seed)
    test = frame[frame["split"] == "test"]
    names = tuple(sorted(frame[column].unique()))
    k, n, t = len(names), len(test), len(OBJECTS)
    groups = test[column].to_numpy()[:, None] == np.array(names)
    truth = test[list(OBJECTS)].to_numpy()
    train = frame[frame["split"] == "train"]
    rates = np.array([train[train[column] == name][list(OBJECTS)].mean() for name in names])
    pull = 6 * (rates - rates.mean(axis=0))
    potentials = np.zeros((n, k, t, 2))
    present = rng.normal(size=(n, 1, t)) + 2.4 * truth[:, None, :] - 1.2 + pull
    potentials[..., 1] = present + 0.1 * rng.normal(size=(n, k, t))
    scores = 1.2 * groups + 0.8 * rng.normal(size=(n, k))
    return PotentialTable(
        ids=test["image"].to_numpy(dtype=np.str_),
        potentials=potentials,
        group_names=names,
        target_names=OBJECTS,
        kind="multi",
        group_scores=scores,
    )


def single(frame: pd.DataFrame, column: str = "sex", seed: int = 5) -> PotentialTable:
    """The same for the verb."""
    rng = np.random.default_rng(seed)
    test = frame[frame["split"] == "test"]
    names = tuple(sorted(frame[column].unique()))
    groups = test[column].to_numpy()[:, None] == np.array(names)
    verbs = test["verb"].to_numpy()[:, None] == np.array(VERBS)
    train = frame[frame["split"] == "train"]
    shares = pd.crosstab(train["verb"], train[column], normalize="index").loc[list(VERBS), list(names)].to_numpy()
    scores = 1.5 * verbs[:, :, None] + groups[:, None, :] + 3 * shares
    scores = scores + 0.8 * rng.normal(size=scores.shape)
    return PotentialTable(
        ids=test["image"].to_numpy(dtype=np.str_),
        potentials=scores,
        group_names=names,
        target_names=VERBS,
        kind="single",
    )


def write_corpus(folder: Path) -> None:
    """Every file that the tests use."""
    frame = labels()
    frame.to_csv(folder / "labels.csv", index=False)
    frame.drop(columns="split").to_csv(folder / "unsplit.csv", index=False)
    write_potentials(folder / "objects.npz", multi(frame, "sex"))
    write_potentials(folder / "places.parquet", multi(frame, "place"))
    write_potentials(folder / "verbs.npz", single(frame))
