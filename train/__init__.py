"""endplate.train."""
