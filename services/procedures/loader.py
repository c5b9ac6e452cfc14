"""From YAML to a `Procedure`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import yaml

from services.common.title import Title
from services.procedures import defects
from services.procedures.facts import Urgency
from services.procedures.model import AUTHOR, EVIDENCE, Act, Mark, ObligationRule, Procedure
from services.procedures.obligation import Limit, Unit
from services.procedures.source import AT_ONCE_HOURS, At, Fields, Text, parse_limit, root_of

REQUESTED_LIMIT: Final = "requested_limit"
_TEXTS: Final = 512
_EVIDENCE_LIMIT: Final = Limit(24, Unit.HOURS)
_EVIDENCE_TITLE: Final = Title("补齐后补材料", "Complete the announced material")
_EVIDENCE_MARKS: Final = (Mark("due", ("remind", "tell-office")),)

# fmt: off
_TOP: Final = frozenset((
    "procedure", "version", "title", "source", "roles", "many", "states", "initial", "final", "at_once",
    "confidential", "acts", "obligations",
))
_ACT: Final = frozenset((
    "title", "occurred_at", "body", "by", "in", "becomes", "only", "approved_by", "needs", "requires",
    "at_most", "names", "reopens", "opens_case", "evidence_may_follow", "must_see_latest", "numbered",
    "copies", "not_while",
))
_OBLIGATION: Final = frozenset((
    "title", "owed_by", "opens_on", "from", "starts_on", "discharged_by", "lapses_on", "within",
    "suspended_by", "marks", "default", "extended_by",
))
# fmt: on


def parse(source: str, file: str) -> tuple[Procedure, Text]:
    """Reads a procedure and says in `Text.found` what is wrong with its form.

    Raises:
        DefectiveProcedure: the text is no YAML mapping.
    """
    root = root_of(source, file)
    if not isinstance(root, yaml.MappingNode):
        raise defects.DefectiveProcedure([defects.WrongType(file, 1, "a procedure is a mapping")])
    text = Text(file)
    top = text.mapping(root, (), _TOP)
    at_once = parse_limit(text.text(top, "at_once", (), required=False) or "1 h")
    if at_once is None or at_once.unit is not Unit.HOURS:
        text.complain(defects.UnknownUnit, ("at_once",), "at_once must be a number of h")
        at_once = Limit(AT_ONCE_HOURS, Unit.HOURS)
    acts = {
        name: _act(text, name, text.mapping(node, ("acts", name), _ACT))
        for name, node in _section(text, top, "acts").items()
    }
    obligations = {
        name: _obligation(text, name, text.mapping(node, ("obligations", name), _OBLIGATION), acts, at_once)
        for name, node in _section(text, top, "obligations").items()
    }
    following = tuple(act.name for act in acts.values() if act.evidence_may_follow)
    if following and EVIDENCE not in obligations:
        obligations[EVIDENCE] = ObligationRule(
            name=EVIDENCE,
            title=_EVIDENCE_TITLE,
            owed_by=AUTHOR,
            opens_on=following,
            discharged_by=(),
            within=dict.fromkeys(Urgency, _EVIDENCE_LIMIT),
            marks=_EVIDENCE_MARKS,
        )
    return Procedure(
        name=text.text(top, "procedure", ()),
        version=_version(text, top),
        title=text.title(top.get("title"), ("title",)),
        source=text.words(top, "source", ()),
        roles=_roles(text, top),
        states=text.titles(top, "states", ()),
        initial=text.text(top, "initial", ()),
        final=frozenset(text.words(top, "final", ())),
        acts=acts,
        obligations=obligations,
        many=frozenset(text.words(top, "many", ())),
        confidential=text.flag(top, "confidential", ()),
    ), text


@lru_cache(maxsize=_TEXTS)
def load_text(source: str, file: str = "procedure.yaml") -> Procedure:
    """Reads and checks one procedure, such as the text of a common entry; the same text is read once.

    Raises:
        DefectiveProcedure: with every defect found, each with file and line.
    """
    # Here, because the checker is written over what this module reads.
    from services.procedures.checker import check  # noqa: PLC0415

    procedure, text = parse(source, file)
    # Meaning is checked only over sound form: else one slip would be reported ten times.
    if not text.found:
        check(procedure, text)
    if text.found:
        raise defects.DefectiveProcedure(text.found)
    return procedure


def load(path: Path) -> Procedure:
    """Reads and checks the procedure in a file.

    Raises:
        DefectiveProcedure: with every defect found, each with file and line.
    """
    return load_text(path.read_text(encoding="utf-8"), str(path))


def load_all(folder: Path | None = None) -> tuple[Procedure, ...]:
    """Reads and checks every procedure of a folder, by default those that come with the product.

    Raises:
        DefectiveProcedure: with the defects of all files, unknown procedures in `opens_case` included.
    """
    paths = sorted((folder or Path(__file__).parent).glob("*.yaml"))
    loaded: list[Procedure] = []
    found: list[defects.Defect] = []
    for path in paths:
        try:
            loaded.append(load(path))
        except defects.DefectiveProcedure as refused:
            found += refused.defects
    if not found:
        names = {procedure.name for procedure in loaded}
        for path, procedure in zip(paths, loaded, strict=True):
            # only these are read again, for their lines
            if any(act.opens_case and act.opens_case not in names for act in procedure.acts.values()):
                found += _unknown_procedures(path, names)
    if found:
        raise defects.DefectiveProcedure(found)
    return tuple(loaded)


def _unknown_procedures(path: Path, names: set[str]) -> Iterable[defects.Defect]:
    procedure, text = parse(path.read_text(encoding="utf-8"), str(path))
    for act in procedure.acts.values():
        if act.opens_case and act.opens_case not in names:
            line = text.line(("acts", act.name, "opens_case"))
            yield defects.UnknownProcedure(str(path), line, act.opens_case)


def _section(text: Text, top: Fields, key: str) -> Fields:
    if key not in top:
        text.complain(defects.MissingKey, (), key)
        return {}
    return text.mapping(top[key], (key,))


def _version(text: Text, top: Fields) -> int:
    version = text.number(top, "version", ())
    if "version" not in top:
        text.complain(defects.MissingKey, (), "version")
    return version or 0


def _roles(text: Text, top: Fields) -> Mapping[str, Title]:
    """Roles are a mapping to titles; a plain list is taken for names that need no translation."""
    if isinstance(top.get("roles"), yaml.SequenceNode):
        return {role: Title(role, role) for role in text.words(top, "roles", ())}
    return text.titles(top, "roles", ())


def _act(text: Text, name: str, fields: Fields) -> Act:
    at = ("acts", name)
    return Act(
        name=name,
        title=text.title(fields.get("title"), (*at, "title")),
        occurred_at=text.title(fields.get("occurred_at"), (*at, "occurred_at")),
        body=text.text(fields, "body", at),
        by=_needed(text, fields, "by", at),
        in_states=frozenset(_needed(text, fields, "in", at)),
        becomes=text.text(fields, "becomes", at, required=False) or None,
        only=frozenset(text.urgency(word, (*at, "only", word)) for word in text.words(fields, "only", at)),
        approved_by=text.words(fields, "approved_by", at, repeated=True),
        needs=text.words(fields, "needs", at),
        requires=text.words(fields, "requires", at),
        at_most=text.number(fields, "at_most", at),
        names=text.words(fields, "names", at),
        reopens=text.words(fields, "reopens", at),
        opens_case=text.text(fields, "opens_case", at, required=False) or None,
        evidence_may_follow=text.flag(fields, "evidence_may_follow", at),
        must_see_latest=text.flag(fields, "must_see_latest", at),
        numbered=text.flag(fields, "numbered", at, default=True),
        copies=text.words(fields, "copies", at),
        not_while=text.words(fields, "not_while", at),
    )


def _obligation(
    text: Text, name: str, fields: Fields, acts: Mapping[str, Act], at_once: Limit
) -> ObligationRule:
    at = ("obligations", name)
    is_evidence = name == EVIDENCE
    following = tuple(act.name for act in acts.values() if act.evidence_may_follow)
    within, requested = _within(text, fields, at, at_once.value)
    return ObligationRule(
        name=name,
        title=text.title(fields.get("title"), (*at, "title")),
        owed_by=text.text(fields, "owed_by", at, required=not is_evidence) or AUTHOR,
        opens_on=following if is_evidence else _needed(text, fields, "opens_on", at),
        discharged_by=() if is_evidence else _needed(text, fields, "discharged_by", at),
        lapses_on=text.words(fields, "lapses_on", at),
        within=within,
        requested_limit=requested,
        from_occurred=text.choice(fields, "from", at, ("occurred_at", "admitted_at")) == "occurred_at",
        starts_on_receipt=text.choice(fields, "starts_on", at, ("receipt",)) == "receipt",
        suspended_by=text.text(fields, "suspended_by", at, required=False) or None,
        marks=tuple(
            Mark(key, text.words({key: node}, key, (*at, "marks")))
            for key, node in _optional_mapping(text, fields, "marks", at).items()
        ),
        default=text.flag(fields, "default", at),
        extended_by={
            act: text.limit(
                text.scalar(node, (*at, "extended_by", act), "str", "a limit") or "",
                (*at, "extended_by", act),
                at_once.value,
            )
            for act, node in _optional_mapping(text, fields, "extended_by", at).items()
        },
    )


def _within(text: Text, fields: Fields, at: At, at_once_hours: int) -> tuple[dict[Urgency, Limit], bool]:
    here = (*at, "within")
    if not isinstance(fields.get("within"), yaml.MappingNode):
        value = text.text(fields, "within", at)
        if value == REQUESTED_LIMIT:
            return dict.fromkeys(Urgency, Limit(0, Unit.FIXED)), True
        return dict.fromkeys(Urgency, text.limit(value, here, at_once_hours)), False
    within: dict[Urgency, Limit] = {}
    for key, node in text.mapping(fields["within"], here).items():
        word = text.scalar(node, (*here, key), "str", "a limit") or ""
        within[text.urgency(key, (*here, key))] = text.limit(word, (*here, key), at_once_hours)
    for missing in [each for each in Urgency if each not in within]:
        text.complain(defects.MissingKey, here, ".".join((*here, missing)))
        within[missing] = Limit(1, Unit.HOURS)
    return within, False


def _needed(text: Text, fields: Fields, key: str, at: At) -> tuple[str, ...]:
    if key not in fields:
        text.complain(defects.MissingKey, at, ".".join((*at, key)))
    return text.words(fields, key, at)


def _optional_mapping(text: Text, fields: Fields, key: str, at: At) -> Fields:
    return text.mapping(fields[key], (*at, key)) if key in fields else {}
