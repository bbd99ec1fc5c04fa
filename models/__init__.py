"""endplate.models."""
