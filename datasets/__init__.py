"""endplate.datasets."""
