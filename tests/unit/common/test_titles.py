"""Every field of every body has a name that people know it by."""

import tomllib
from importlib import resources
from pathlib import Path

from services import procedures as procedures_package
from services.cli.texts import catalogue
from services.common.titles import (
    body_messages,
    field_title,
    material_title,
    role_title,
    short_name,
    value_title,
)
from services.procedures.checker import PERSON_ROLES
from services.procedures.loader import load


def test_no_field_and_no_choice_of_a_body_lacks_a_title() -> None:
    """In Chinese and in English, both different from the name in the contract."""
    messages = list(body_messages())
    assert len(messages) > 100
    for field in (field for message in messages for field in message.fields):
        title = field_title(field)
        where = f"{message_of(field)}.{field.name}"
        assert title.en, where
        assert any("\u4e00" <= each <= "\u9fff" for each in title.zh), where
        for value in field.enum_type.values if field.enum_type else ():
            if value.number:
                assert any("\u4e00" <= each <= "\u9fff" for each in value_title(value).zh), value.name
                assert value_title(value).en != value.name


def test_no_title_is_left_of_what_is_gone() -> None:
    """Each entry of the catalogue names a field or a choice that there is."""
    entries_of = tomllib.loads(
        resources.files("services.common").joinpath("titles.toml").read_text(encoding="utf-8")
    )
    messages = {message.name: message for message in body_messages()}
    names = {field.name for message in messages.values() for field in message.fields}
    enums = {
        field.enum_type.name: {short_name(value) for value in field.enum_type.values}
        for message in messages.values()
        for field in message.fields
        if field.enum_type
    }
    assert set(entries_of["fields"]) <= names
    for name, entries in entries_of["messages"].items():
        assert set(entries) <= set(messages[name].fields_by_name), name
    for name, entries in entries_of["enums"].items():
        assert set(entries) <= enums[name], name


def test_every_material_and_every_role_of_a_procedure_has_a_title() -> None:
    """Those that its acts need, and those that must approve them."""
    procedures = [load(path) for path in sorted(Path(procedures_package.__path__[0]).glob("*.yaml"))]
    acts = [act for each in procedures for act in each.acts.values()]
    assert {kind for act in acts for kind in act.needs if material_title(kind).zh == kind} == set()
    assert {role for role in PERSON_ROLES if role_title(role).zh == role} == set()


def test_the_command_line_calls_roles_the_same() -> None:
    """Its own catalogue has those that it shows."""
    for name, pair in catalogue().items():
        section, _, role = name.partition(".")
        if section == "roles":
            assert (role_title(role).zh, role_title(role).en) == pair


def message_of(field: object) -> str:
    return str(field.containing_type.name)  # type: ignore[attr-defined]
