"""The page of augmentation by pairs: pairs to look at, planes, rates, figures with their differences, scores by group.

Ramaswamy, Kim, Russakovsky, *Fair Attribute Classification through Latent Space De-biasing*, CVPR 2021,
https://arxiv.org/abs/2012.01469
"""

from steelyard.metrics.catalog import HARDT, RAMASWAMY, WANG_2021
from steelyard.reports.augment.charts import (
    RATES,
    difference_charts,
    histogram_figures,
    rate_chart,
)
from steelyard.reports.augment.figures import MEASURES
from steelyard.reports.augment.published import NOT_THE_SAME
from steelyard.reports.augment.report import AugmentReport
from steelyard.reports.augment.sentences import details, headline
from steelyard.reports.augment.tables import attribute_table, means_table, plane_table, rate_table
from steelyard.reports.page import render
from steelyard.reports.references import reference


def augment_page(report: AugmentReport) -> str:
    """The page, one HTML file that loads nothing; each part only where the report has it."""
    measured = report.measures
    gaps = [gap for row in measured.rows for found in row.differences.values() for gap in found.values()]
    means = means_table(report)
    published = any(line.published for block in means.blocks for line in block.lines)
    context = {
        "report": report,
        "measured": measured,
        "who": f"“{measured.protected}”",
        "headline": headline(report),
        "details": details(report),
        "planes": plane_table(report.planes),
        "rates": rate_table(report.oracle),
        "rate_chart": rate_chart(report.oracle),
        "rate_names": RATES,
        "charts_of": difference_charts(measured),
        "means": means,
        "attributes": attribute_table(measured),
        "histograms": histogram_figures(measured),
        "published": NOT_THE_SAME if published else "",
        "undefined": _undefined(report),
        "differences": len(gaps),
        "references": tuple(sorted(map(reference, (RAMASWAMY, WANG_2021, HARDT)))),
    }
    return render("augment.html", context)


def _undefined(report: AugmentReport) -> tuple[tuple[str, str, str], ...]:
    """(attribute or mean, measures, reason) of all that is left out."""
    found = []
    for row in (*report.measures.rows, *report.measures.means):
        for reason in dict.fromkeys(row.undefined.values()):
            names = ", ".join(MEASURES[key].short for key, why in row.undefined.items() if why == reason)
            found.append((row.name, names, reason))
    return tuple(found)
