"""The page of `steelyard visualize`: masked images by group, and F1 of each label before and after.

Figures 6 and 7 of Wang, Zhao, Yatskar, Chang, Ordonez: Balanced Datasets Are Not Enough, ICCV 2019,
https://arxiv.org/abs/1811.08489
"""

from collections.abc import Mapping, Sequence
from typing import Any

from steelyard.base.errors import InputError
from steelyard.metrics.catalog import WANG_2019
from steelyard.reports.changes import LabelChange, change_chart
from steelyard.reports.gallery import Gallery
from steelyard.reports.page import render
from steelyard.reports.references import reference


def visualize_page(
    *,
    run: str,
    base: str = "",
    protected: str,
    groups: Sequence[str],
    synthetic: bool = False,
    gallery: Gallery | None = None,
    changes: Sequence[LabelChange] = (),
    images: int = 0,
    provenance: Mapping[str, Any] | None = None,
) -> str:
    """The page, one HTML file that loads nothing; each part only where it is given.

    Args:
        run: name of the run shown.
        base: name of the run that it is compared with.
        protected: name of the protected attribute.
        groups: its k values.
        synthetic: the images are rendered, so that groups are those of a made-up world.
        gallery: masked images by group.
        changes: F1 of each label in `base` and in `run`.
        images: that the F1 rests on.
        provenance: of the page.

    Raises:
        InputError: there is neither a gallery nor a change.
    """
    if gallery is None and not changes:
        raise InputError("visualize: expected masked images or a run to compare with, found neither; give --base RUN")
    context = {
        "run": run,
        "base": base,
        "who": f"“{protected}”",
        "groups": tuple(groups),
        "synthetic": synthetic,
        "gallery": gallery,
        "changes": change_chart(changes) if changes else None,
        "images": images,
        "report": {"provenance": dict(provenance or {})},
        "references": (reference(WANG_2019),),
    }
    return render("visualize.html", context)
