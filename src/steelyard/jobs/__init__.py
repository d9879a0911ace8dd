"""Jobs: the command's verbs as functions."""
