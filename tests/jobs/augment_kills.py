"""`steelyard augment`, killed in every step and run again, for `test_augment_kills`; `python augment_kills.py ROOT`.

PyTorch is loaded once, and each run is a process forked from here. How each ended goes to ROOT/killed.json.
"""

import json
import os
import sys
from pathlib import Path

import torch
import torch.utils.tensorboard  # loaded before the fork, for all
from augment_world import Faces, Linear, options

from killing import forked, kill_myself
from steelyard.jobs.augment import steps as augment_steps
from steelyard.jobs.augment.config import read_augment
from steelyard.jobs.augment.run import STEPS, run_augment

MORE = {
    "oracle": {"model": {"name": "compact", "width": 4},
               "training": {"epochs": 1, "rate": 1e-2, "monitor": "last", "precision": "32-true"}},
    "training": {"epochs": 2},
    "latents": {"fit": 90, "validate": 30, "pairs": 40},
    "pairs": {"min_class": 3, "filter": "annotators", "images": "disk", "shown": 1},
    "bootstrap": 20,
}  # fmt: skip


def run(out):
    config = read_augment(options(out, **MORE))
    run_augment(config, dataset=Faces(sizes=(64, 64, 64)), generator=Linear())


def killed(out, step, writes):
    """Run until the step has begun and put so many files in their places, then be killed before the next one."""
    real, done = augment_steps._do, []

    def counted(replace):
        def call(*args, **kwargs):
            done.append(args)
            if len(done) > writes:
                kill_myself()
            return replace(*args, **kwargs)

        return call

    def do(work, one, mark, *, anew):
        if one.name == step:
            os.replace, Path.replace, Path.rename = (counted(one) for one in (os.replace, Path.replace, Path.rename))
        return real(work, one, mark, anew=anew)

    augment_steps._do = do
    run(out)


def main(root):
    torch.set_num_threads(1)
    ends = {"whole": [forked(run, root / "whole")]}
    ends["killed"] = []
    for step in STEPS:
        # Before the step's first file is in its place, in the midst of its work, and before it is said to be done.
        for writes in (0, 1, 5) if step.name in ("classifiers", "models", "pairs") else (0, 1):
            ends["killed"].append((step.name, writes, forked(killed, root / "killed", step.name, writes)))
    ends["resumed"] = [forked(run, root / "killed")]
    (root / "killed.json").write_text(json.dumps(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
