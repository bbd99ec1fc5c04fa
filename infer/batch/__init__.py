"""endplate.infer.batch."""
