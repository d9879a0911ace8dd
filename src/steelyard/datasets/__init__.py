"""Data sets: readers of published layouts and of tables of images; imSitu's counts, which come with the package."""
