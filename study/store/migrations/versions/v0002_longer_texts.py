"""Texts of any length: PostgreSQL refused whole batches for one that was longer than foreseen."""

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TEXTS = {
    "subject": (("name", 200),),
    "study": (("uid", 200), ("subject", 200), ("date", 40)),
    "image": (
        *(("sha256", 64), ("study", 200), ("instance_uid", 200), ("series_uid", 200)),
        ("modality", 16),
    ),
    "run": (("id", 64), ("created", 40)),
    "reading": (
        *(("id", 64), ("image", 64), ("parent", 64), ("run", 64), ("created", 40)),
        *(("reader", 200), ("reader_version", 80), ("reader_sha256", 64), ("status", 16)),
        *(("view", 16), ("position", 40), ("calibration", 16)),
    ),
    "measurement": (
        *(("reading", 64), ("name", 80), ("level", 8), ("between", 80), ("unit", 16)),
        ("flags", 400),
    ),
}


def upgrade() -> None:
    """Take the limits away; SQLite never heeded them."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, columns in _TEXTS.items():
        for name, length in columns:
            op.alter_column(table, name, type_=sa.Text, existing_type=sa.String(length))


def downgrade() -> None:
    """Set the limits again; refused where a text is longer."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, columns in reversed(_TEXTS.items()):
        for name, length in columns:
            op.alter_column(table, name, type_=sa.String(length), existing_type=sa.Text)
