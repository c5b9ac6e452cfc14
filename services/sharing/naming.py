"""Bulletins that name somebody: found by the words of the index, and read to be sure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.exchange.subject_names import plain
from services.sharing import store
from services.sharing.sharing import Item, read_bulletin
from services.sharing.store import Wanted
from services.sharing.words import query_terms

FOUND: Final = 50
_SHORTEST: Final = 2
_NAMES: Final = 10
_WIDE: Final = {code: code + 0xFEE0 for code in range(ord("!"), ord("~") + 1)}


def naming(connection: Connection, names: Sequence[str]) -> list[tuple[Item, str]]:
    """Items with one of these names or identifiers in their newest title or text, with the title; newest first.

    Args:
        connection: In a transaction.
        names: In whatever width and brackets; shorter than two characters they name nobody, and of many the first count.
    """
    found: dict[str, tuple[Item, str]] = {}
    for name in [each for each in names if len(plain(each)) >= _SHORTEST][:_NAMES]:
        narrow = unicodedata.normalize("NFKC", name)
        # texts are indexed as they are written
        for form in dict.fromkeys((name, narrow, narrow.translate(_WIDE))):
            terms = frozenset(query_terms(form))
            items = (
                [item for item, _ in store.page(connection, "", Wanted(terms=terms), FOUND)] if terms else []
            )
            bodies = store.bodies(connection, [item.letter_id for item in items])
            for item in items:
                body = bodies.get(item.letter_id)
                bulletin = read_bulletin(pb.Header.FromString(body.header), body.payload) if body else None
                if bulletin is not None and plain(name) in plain(f"{bulletin.title}\n{bulletin.text}"):
                    found[item.item_id] = (item, bulletin.title)
    return sorted(found.values(), key=lambda each: each[0].seen_at_us, reverse=True)[:FOUND]
