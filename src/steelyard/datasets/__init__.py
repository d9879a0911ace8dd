"""Data sets: so far imSitu as the counts that come with the package."""
