"""endplate.imaging."""
