"""The tables of code tables, the same on nodes and on the registry: rows of all versions, and what they are found by."""

import sqlalchemy as sa

metadata = sa.MetaData()

# ranges of terms are of bytes, whatever the database's language
_ORDERED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

code_rows = sa.Table(
    "code_rows",
    metadata,
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("code", _ORDERED, primary_key=True),
    sa.Column("parent", sa.Text, nullable=False),
    sa.Column("row", sa.LargeBinary, nullable=False, comment="serialized directory.v1.CodeRow"),
    sa.Index("code_rows_parent", "table_name", "version", "parent", "code"),
)

code_terms = sa.Table(
    "code_terms",
    metadata,
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("term", _ORDERED, primary_key=True),
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("kind", sa.SmallInteger, nullable=False, comment="codes.CODE and following: best first"),
    sa.Column("start", sa.SmallInteger, nullable=False, comment="0: at the beginning of what it is of"),
    comment="of the version in force and of one that is coming; older ones are read, not searched",
)
