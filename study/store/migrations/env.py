"""Run the migrations on the connection that `endplate.study.store.store` hands over."""

from alembic import context

from endplate.study.store.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
