"""endplate.geometry."""
