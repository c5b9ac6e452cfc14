"""Columns of values as PostgreSQL arrays in binary form, packed by us.

psycopg looks at every element of a list to find its type and writes bytes as hexadecimal text; for the
multi-row statements of the hot way that costs more than the rest of the statement. The table's metadata
knows the types already, so a column is packed at once: `struct` for numbers, length and bytes for the rest.
Form: https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-FORMAT-CODES and
`array_recv` of the server: dimensions, has-null, element type, length, lower bound, then the elements.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, Final

from psycopg import Connection
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER: Final = Struct("!iiIii")
_LENGTH: Final = Struct("!i")
_NULL: Final = _LENGTH.pack(-1)


class PackedArray:
    """An array ready for the wire; one subclass for each element type."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


Packer = Callable[[Sequence[Any]], PackedArray]


def _kind(name: str, array_oid: int) -> tuple[type[PackedArray], type[Dumper]]:
    packed = type(name, (PackedArray,), {"__slots__": ()})

    class PackedDumper(Dumper):
        format = Format.BINARY
        oid = array_oid

        def dump(self, obj: PackedArray) -> bytes:
            return obj.data

    return packed, PackedDumper


_TEXT, _TEXT_DUMPER = _kind("TextArray", 1009)
_BYTEA, _BYTEA_DUMPER = _kind("ByteaArray", 1001)
_BIGINT, _BIGINT_DUMPER = _kind("BigintArray", 1016)
_DOUBLE, _DOUBLE_DUMPER = _kind("DoubleArray", 1022)
_BOOLEAN, _BOOLEAN_DUMPER = _kind("BooleanArray", 1000)


def register(connection: "Connection[Any]") -> None:
    """Teach a connection the packed arrays."""
    for packed, dumper in (
        (_TEXT, _TEXT_DUMPER),
        (_BYTEA, _BYTEA_DUMPER),
        (_BIGINT, _BIGINT_DUMPER),
        (_DOUBLE, _DOUBLE_DUMPER),
        (_BOOLEAN, _BOOLEAN_DUMPER),
    ):
        connection.adapters.register_dumper(packed, dumper)


def pack_bytea(values: Sequence[bytes | None]) -> PackedArray:
    """Pack a column of bytes."""
    return _BYTEA(_variable(17, values))


def pack_text(values: Sequence[str | None]) -> PackedArray:
    """Pack a column of texts."""
    return _TEXT(_variable(25, [None if value is None else value.encode() for value in values]))


def pack_bigint(values: Sequence[int | None]) -> PackedArray:
    """Pack a column of integers of at most 64 bits."""
    return _BIGINT(_fixed(20, 8, "q", values))


def pack_double(values: Sequence[float | None]) -> PackedArray:
    """Pack a column of floating-point numbers."""
    return _DOUBLE(_fixed(701, 8, "d", values))


def pack_boolean(values: Sequence[bool | None]) -> PackedArray:
    """Pack a column of truth values."""
    return _BOOLEAN(_fixed(16, 1, "?", values))


def _variable(element_oid: int, values: Sequence[bytes | None]) -> bytes:
    pack = _LENGTH.pack
    parts: list[bytes] = [b""]
    has_null = 0
    for value in values:
        if value is None:
            has_null = 1
            parts.append(_NULL)
        else:
            parts.append(pack(len(value)))
            parts.append(value)
    parts[0] = _HEADER.pack(1, has_null, element_oid, len(values), 1)
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _elements(form: str, count: int) -> Struct:
    return Struct("!" + f"i{form}" * count)


def _fixed(element_oid: int, size: int, form: str, values: Sequence[Any]) -> bytes:
    count = len(values)
    if None in values:
        single = Struct(f"!i{form}").pack
        header = _HEADER.pack(1, 1, element_oid, count, 1)
        return header + b"".join(_NULL if value is None else single(size, value) for value in values)
    interleaved: list[Any] = [size] * (2 * count)
    interleaved[1::2] = values
    return _HEADER.pack(1, 0, element_oid, count, 1) + _elements(form, count).pack(*interleaved)
