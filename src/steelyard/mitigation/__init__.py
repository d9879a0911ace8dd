"""Mitigation, by the stage where it acts: samples, pixels, objectives, features, predictions."""
