"""endplate.models.weights."""
