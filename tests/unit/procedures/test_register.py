"""Registers: what comes with the product names what its procedures have; the others are derived."""

import pytest

from services.procedures.defects import DefectiveProcedure
from services.procedures.loader import load_all
from services.procedures.register import check, derived, load_register, register_of

GOOD = """register: r
title: [台账, Register]
procedure: case-transfer
columns:
  - {title: [名称, Title], value: title}
  - {title: [日期, Date], value: date:transfer}
"""


def test_every_procedure_has_a_register_that_fits_it() -> None:
    """Its own where there is one, else one of its parties and limits."""
    own = 0
    for procedure in load_all():
        register = register_of(procedure)
        assert check(register, procedure) == ()
        assert check(derived(procedure), procedure) == ()
        assert all(each.title.zh and each.title.en for each in register.columns)
        own += register != derived(procedure)
    assert own == 4


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("value: title", "value: colour", "register.yaml:5: The word is none of those"),
        ("date:transfer", "weight:transfer", "register.yaml:6: The word is none of those"),
        ("date:transfer", "date", "register.yaml:6: The word is none of those"),
        ("[名称, Title]", "[名称]", "register.yaml:5: A title needs text"),
        ("columns:\n", "rows:\n", "A key is missing"),
        ("register: r", "register: [", "is no YAML"),
    ],
)
def test_what_is_wrong_is_named_by_line(before: str, after: str, complaint: str) -> None:
    """File, line, reason."""
    assert len(load_register(GOOD).columns) == 2
    with pytest.raises(DefectiveProcedure) as refused:
        load_register(GOOD.replace(before, after))
    assert complaint in str(refused.value)


def test_what_the_procedure_does_not_have_is_named() -> None:
    """An act, an obligation, a role."""
    (procedure,) = [each for each in load_all() if each.name == "case-transfer"]
    register = load_register(GOOD.replace("date:transfer", "due:no-such"))
    assert check(register, procedure) == ("obligation no-such",)
