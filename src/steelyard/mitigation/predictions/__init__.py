"""What the model says: thresholds for each group. Imports without PyTorch."""
