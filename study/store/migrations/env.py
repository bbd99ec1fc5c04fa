"""Run the migrations on the connection that `endplate.study.store.store` hands over.

Alembic executes this file with its context set up; imported otherwise, it does nothing.
"""

from alembic import context

from endplate.study.store.tables import METADATA

__all__ = ["migrate"]


def migrate() -> None:
    """Run what is to be run."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


if getattr(context, "config", None) is not None:
    migrate()
