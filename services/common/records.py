"""Values that are made by the hundred thousand: frozen to the type checker, quick to make at run time.

A frozen dataclass sets each field through `object.__setattr__`, up to 0.3 µs a field; for the facts of an
act, its case and its obligations that came to a fifth of what admitting a letter costs. What is declared
with `record` is made like any other object. That nobody changes it is checked where it costs nothing, by
mypy. Elsewhere plain frozen dataclasses are right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:
    from dataclasses import dataclass

    def record(*, frozen: bool, slots: bool) -> object:
        """`dataclass`, with `frozen` meaning equality, a hash, and a promise."""
        return dataclass(slots=slots, unsafe_hash=frozen)


__all__ = ["record"]
