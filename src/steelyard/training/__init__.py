"""The engine: one loop for every objective, its data, checkpoints and predictions."""
