"""The tables of evidence, the same on nodes and on the registry. Times are microseconds since 1970 UTC.

A *holder* is who brought the evidence here and has shown every byte of it: a department on the registry, a
person or the department itself on a node. The same file brought by two holders has one root, and its chunks
lie in the store once, but each has a row: a digest is no secret (act headers travel in clear), so knowing one
must never be enough to read what it names.
"""

import sqlalchemy as sa

metadata = sa.MetaData()

manifests = sa.Table(
    "evidence_manifests",
    metadata,
    sa.Column("root", sa.LargeBinary, primary_key=True),
    sa.Column("holder", sa.Text, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, comment="SHA-256 of the whole"),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("chunks", sa.LargeBinary, nullable=False, comment="SHA-256 of each chunk, 32 bytes each"),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("file_name", sa.Text, nullable=False),
    sa.Column("collected_by", sa.Text, nullable=False),
    sa.Column("collected_at_us", sa.BigInteger),
    sa.Column("collected_place", sa.Text, nullable=False),
    sa.Column(
        "complete", sa.Boolean, nullable=False, comment="every chunk is here and the whole was verified"
    ),
)

manifest_chunks_present = sa.Table(
    "evidence_chunks_present",
    metadata,
    sa.Column("root", sa.LargeBinary, primary_key=True),
    sa.Column("holder", sa.Text, primary_key=True),
    sa.Column("bitmap", sa.LargeBinary, nullable=False, comment="bit i of the little-endian number: chunk i"),
    comment="beside its manifest, so that a chunk does not rewrite the list of 8,192 digests",
)

manifest_grants = sa.Table(
    "evidence_grants",
    metadata,
    sa.Column("root", sa.LargeBinary, primary_key=True),
    sa.Column("reader", sa.Text, primary_key=True, comment="department:NAME or case:ID"),
    sa.Column("holder", sa.Text, primary_key=True, comment="whose evidence may be read"),
)

evidence_wanted = sa.Table(
    "evidence_wanted",
    metadata,
    sa.Column("root", sa.LargeBinary, primary_key=True),
    sa.Column("direction", sa.Text, primary_key=True, comment="PUSH to the registry, PULL from it"),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at_us", sa.BigInteger, nullable=False),
    sa.Column("error", sa.Text, nullable=False, comment="reason of the last failure, empty before one"),
    sa.Index("evidence_wanted_next", "direction", "next_attempt_at_us"),
)
