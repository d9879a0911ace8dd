"""What is minimised: the task alone, or the task against an adversary, by group, or with a head per group."""
