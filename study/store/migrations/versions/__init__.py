"""endplate.study.store.migrations.versions."""
