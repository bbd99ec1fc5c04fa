"""endplate.study.store."""
