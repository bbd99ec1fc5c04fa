"""endplate.study."""
