"""endplate.configs."""
