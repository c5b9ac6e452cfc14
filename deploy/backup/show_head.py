"""Print the newest signed head that a department's node has verified: what it shows a registry after a restore.

    python show_head.py sqlite:////var/lib/liandong/health.qinghe/node.sqlite3 > health.head

A head is public and signed by the registry, so it may travel on any way. Run it while the node runs or not.
"""

import sys

import sqlalchemy as sa

from services.common.db import Database
from services.exchange import tables


def main() -> int:
    """Print it; 1 if the node has seen none yet."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program's name and one argument
        sys.stderr.write("usage: show_head.py DATABASE_URL\n")
        return 2
    database = Database(sys.argv[1], pool_size=1)
    try:
        head = database.read(lambda connection: connection.scalar(sa.select(tables.link.c.checkpoint)))
    finally:
        database.close()
    if not head:
        sys.stderr.write("This node has seen no head yet.\n")
        return 1
    sys.stdout.write(head)
    return 0


if __name__ == "__main__":
    sys.exit(main())
