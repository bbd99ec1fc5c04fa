"""endplate.study.store.migrations."""
