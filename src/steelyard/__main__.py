"""`python -m steelyard`: the command."""

from steelyard.cli import main

main()
