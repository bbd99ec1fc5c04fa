"""endplate.infer."""
