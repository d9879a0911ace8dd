"""Timings: `make bench` runs all, each beside the plain way of doing the same, ratios within one run."""
