"""Subjects, studies, images, runs, readings that cannot be changed, and their measurements."""

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KEPT = ("reading", "measurement")
_REFUSAL = "readings are never changed; add a new one that names its parent"


def upgrade() -> None:
    """Make the tables."""
    op.create_table("subject", sa.Column("name", sa.String(200)), _key("subject", "name"))
    op.create_table(
        "study",
        sa.Column("uid", sa.String(200)),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("date", sa.String(40), nullable=False),
        _key("study", "uid"),
        _reference("study", "subject", "subject.name"),
    )
    op.create_index("ix_study_subject", "study", ["subject"])
    _image()
    op.create_table(
        "run",
        sa.Column("id", sa.String(64)),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("manifest", sa.JSON, nullable=False),
        _key("run", "id"),
    )
    _reading()
    _measurement()
    for table in _KEPT:
        for action in ("UPDATE", "DELETE"):
            _refuse(table, action)


def downgrade() -> None:
    """Remove everything."""
    for table in ("measurement", "reading", "run", "image", "study", "subject"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION endplate_refuse()")


def _image() -> None:
    op.create_table(
        "image",
        sa.Column("sha256", sa.String(64)),
        sa.Column("study", sa.String(200), nullable=False),
        sa.Column("instance_uid", sa.String(200), nullable=False),
        sa.Column("series_uid", sa.String(200), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("modality", sa.String(16), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("columns", sa.Integer, nullable=False),
        _key("image", "sha256"),
        _reference("image", "study", "study.uid"),
    )
    op.create_index("ix_image_study", "image", ["study"])
    op.create_index("ix_image_instance_uid", "image", ["instance_uid"])


def _reading() -> None:
    op.create_table(
        "reading",
        sa.Column("id", sa.String(64)),
        sa.Column("image", sa.String(64), nullable=False),
        sa.Column("parent", sa.String(64)),
        sa.Column("run", sa.String(64)),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("reader", sa.String(200), nullable=False),
        sa.Column("reader_version", sa.String(80), nullable=False),
        sa.Column("reader_sha256", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("view", sa.String(16), nullable=False),
        sa.Column("position", sa.String(40)),
        sa.Column("calibration", sa.String(16), nullable=False),
        sa.Column("chosen", sa.Boolean, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
        _key("reading", "id"),
        _reference("reading", "image", "image.sha256"),
        _reference("reading", "run", "run.id"),
    )
    op.create_index("ix_reading_image", "reading", ["image"])
    op.create_index("ix_reading_run", "reading", ["run"])


def _measurement() -> None:
    op.create_table(
        "measurement",
        sa.Column("reading", sa.String(64)),
        sa.Column("place", sa.Integer),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("between", sa.String(80), nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("unit", sa.String(16), nullable=False),
        sa.Column("se", sa.Double),
        sa.Column("low90", sa.Double),
        sa.Column("high90", sa.Double),
        sa.Column("flags", sa.String(400), nullable=False),
        _key("measurement", "reading", "place"),
        _reference("measurement", "reading", "reading.id"),
    )
    op.create_index("ix_measurement_name_level", "measurement", ["name", "level"])


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _reference(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{to.partition('.')[0]}"
    return sa.ForeignKeyConstraint([column], [to], name=name)


def _refuse(table: str, action: str) -> None:
    """Let the database refuse to change a table's rows."""
    name = f"{table}_no_{action.lower()}"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE OR REPLACE FUNCTION endplate_refuse() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {action} ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION endplate_refuse()"
        )
        return
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {action} ON {table}"
        f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    )
