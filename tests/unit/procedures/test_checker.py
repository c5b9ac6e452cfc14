"""Each way in which a procedure can be wrong is refused with its file, line and reason."""

import pytest

from services.procedures import defects
from services.procedures.defects import Defect, DefectiveProcedure
from services.procedures.loader import load_text

SOUND = """\
procedure: assistance
version: 1
title: [协助, Assistance]
source: [M05]
roles: [asker, helper, office]
states:
  new: [新, New]
  asked: [已提, Asked]
  urged: [已催, Urged]
  done: [完, Done]
initial: new
final: [done]
acts:
  ask:
    title: [提, Ask]
    occurred_at: [时, When]
    body: liandong.cases.v1.Closing
    by: asker
    in: [new]
    becomes: asked
    approved_by: [section-head]
    needs: [letter]
    requires: [requested_limit]
  urge:
    title: [催, Urge]
    occurred_at: [时, When]
    body: liandong.cases.v1.Closing
    by: asker
    in: [asked]
    becomes: urged
    only: [urgent, major]
  extend:
    title: [延, Extend]
    occurred_at: [时, When]
    body: liandong.cases.v1.Closing
    by: [helper, office]
    in: [asked]
    requires: [reason_code]
  help:
    title: [助, Help]
    occurred_at: [时, When]
    body: liandong.cases.v1.Closing
    by: helper
    in: [asked, urged]
    becomes: done
obligations:
  help:
    title: [助, Help]
    owed_by: helper
    opens_on: [ask]
    discharged_by: [help]
    within: 3 wd
    extended_by: {extend: 2 wd}
    marks: {50%: [remind], due: [tell-office]}
  answer:
    title: [答, Answer]
    owed_by: helper
    opens_on: [ask]
    discharged_by: [help]
    within: requested_limit
    suspended_by: help
    marks: {2 d before: [remind]}
"""

CASES: list[tuple[str, str, type[Defect], int, str]] = [
    ("title: [协助, Assistance]", "title: [协助]", defects.MissingTranslation, 3, "title"),
    ("    title: [催, Urge]", "    title: [催, '']", defects.MissingTranslation, 25, "acts.urge.title"),
    ("  urged: [已催, Urged]", "  urged: Urged", defects.MissingTranslation, 9, "states.urged"),
    ("source: [M05]\n", "", defects.MissingKey, 1, "source"),
    ("version: 1", "version: first", defects.WrongType, 2, "version must be a whole number"),
    ("version: 1", "version: 0", defects.WrongType, 2, "version must be 1 or more"),
    ("    by: asker\n    in: [new]", "    in: [new]", defects.MissingKey, 14, "acts.ask.by"),
    ("    by: asker\n    in: [new]", "    by: [1]\n    in: [new]", defects.WrongType, 18, "a list of words"),
    (
        "    becomes: asked",
        "    becomes: asked\n    becomes: urged",
        defects.DuplicateKey,
        21,
        "acts.ask.becomes",
    ),
    ("  urge:\n", "  ask:\n", defects.DuplicateKey, 24, "acts.ask"),
    ("    becomes: done", "    become: done", defects.UnknownKey, 45, "acts.help.become"),
    ("    becomes: asked", "    becomes: asked\n    numbered: 1", defects.WrongType, 21, "true or false"),
    ("    by: asker\n    in: [new]", "    by: boss\n    in: [new]", defects.UnknownRole, 18, "boss"),
    (
        "    owed_by: helper\n    opens_on: [ask]\n    discharged_by: [help]\n    within: 3 wd",
        "    owed_by: nobody\n    opens_on: [ask]\n    discharged_by: [help]\n    within: 3 wd",
        defects.UnknownRole,
        49,
        "nobody",
    ),
    ("    in: [asked, urged]", "    in: [asked, lost]", defects.UnknownState, 44, "lost"),
    ("    becomes: urged", "    becomes: gone", defects.UnknownState, 30, "gone"),
    ("initial: new", "initial: start", defects.UnknownState, 11, "start"),
    ("final: [done]", "final: [end]", defects.UnknownState, 12, "end"),
    ("approved_by: [section-head]", "approved_by: [king]", defects.UnknownPersonRole, 21, "king"),
    (
        "    discharged_by: [help]\n    within: 3 wd",
        "    discharged_by: [halp]\n    within: 3 wd",
        defects.UnknownAct,
        51,
        "halp",
    ),
    ("    suspended_by: help", "    suspended_by: rest", defects.UnknownObligation, 61, "rest"),
    (
        "    suspended_by: help",
        "    suspended_by: answer",
        defects.Contradiction,
        61,
        "answer would suspend itself",
    ),
    ("    within: 3 wd", "    within: 3 days", defects.UnknownUnit, 52, "3 days"),
    ("    within: 3 wd", "    within: {ordinary: 3 wd, urgent: 1 wd}", defects.MissingKey, 52, "major"),
    (
        "    within: 3 wd",
        "    within: {ordinary: 3 wd, urgent: 1 wd, major: 1 wd, calm: 1 wd}",
        defects.UnknownUrgency,
        52,
        "calm",
    ),
    ("    only: [urgent, major]", "    only: [soon]", defects.UnknownUrgency, 31, "soon"),
    (
        "    requires: [requested_limit]",
        "    requires: [requested_limit, facts]",
        defects.NotAHeaderField,
        23,
        "facts",
    ),
    (
        "    within: requested_limit",
        "    within: requested_limit\n    from: body.decided_at",
        defects.NotAHeaderField,
        61,
        "body.decided_at",
    ),
    ("    requires: [requested_limit]\n", "", defects.LimitNotRequired, 59, "answer, opened by ask"),
    ("{2 d before: [remind]}", "{2 wd before: [remind]}", defects.UnknownMark, 62, "2 wd before"),
    ("{2 d before: [remind]}", "{50%: [remind]}", defects.UnknownMark, 62, "50%"),
    ("{2 d before: [remind]}", "{2 d before: [shout]}", defects.UnknownAction, 62, "shout"),
    ("    requires: [reason_code]\n", "", defects.ExtensionDoesNotFit, 52, "must require"),
    ("{extend: 2 wd}", "{extend: 2 d}", defects.ExtensionDoesNotFit, 53, "2 d"),
    (
        "body: liandong.cases.v1.Closing\n    by: asker\n    in: [new]",
        "body: Closing\n    by: asker\n    in: [new]",
        defects.WrongType,
        17,
        "Closing",
    ),
    (
        "    by: helper\n",
        "    by: amended-author\n",
        defects.Contradiction,
        39,
        "must require amended_letter",
    ),
    (
        "    discharged_by: [help]\n    within: 3 wd",
        "    discharged_by: [help]\n    lapses_on: [help]\n    within: 3 wd",
        defects.Contradiction,
        52,
        "help discharges help too",
    ),
    (
        "    needs: [letter]",
        "    evidence_may_follow: true",
        defects.Contradiction,
        14,
        "ask lets evidence follow",
    ),
    ("    opens_on: [ask]\n    discharged_by: [help]\n    within: 3 wd",
     "    opens_on: []\n    discharged_by: [help]\n    within: 3 wd",
     defects.Contradiction, 47, "nothing opens help"),
    ("final: [done]", "final: [done, new]", defects.Contradiction, 12, "initial"),
    ("initial: new", "initial: asked", defects.DeadState, 7, "nothing leads to new"),
    (
        "    in: [asked]\n    becomes: urged",
        "    in: [done]\n    becomes: done",
        defects.DeadState,
        9,
        "urged",
    ),
    ("    in: [asked, urged]", "    in: [asked]", defects.DeadState, 9, "from urged nothing ends"),
    (
        "    becomes: done",
        "    becomes: done\n    only: [major]",
        defects.DeadState,
        8,
        "from asked nothing ends",
    ),
    (
        "    discharged_by: [help]\n    within: 3 wd",
        "    discharged_by: [urge]\n    within: 3 wd",
        defects.NobodyCanDischarge,
        51,
        "help, opened by ask in ordinary cases",
    ),
]  # fmt: skip


def test_the_sample_is_sound() -> None:
    """What follows breaks one thing at a time in a procedure that is accepted."""
    assert load_text(SOUND, "assistance.yaml").name == "assistance"


@pytest.mark.parametrize(("sound", "broken", "kind", "line", "detail"), CASES)
def test_a_broken_procedure_is_refused_where_it_is_broken(
    sound: str, broken: str, kind: type[Defect], line: int, detail: str
) -> None:
    """The refusal names file, line and reason."""
    assert sound in SOUND
    with pytest.raises(DefectiveProcedure) as caught:
        load_text(SOUND.replace(sound, broken, 1), "assistance.yaml")
    found = [each for each in caught.value.defects if type(each) is kind and each.line == line]
    assert found, str(caught.value)
    assert detail in found[0].detail
    assert str(found[0]).startswith(f"assistance.yaml:{line}: {kind.reason()}")


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("procedure: [", defects.NotYaml, 1),
        ("a: 1\n b: 2\n", defects.NotYaml, 2),
        ("- one\n", defects.WrongType, 1),
        ("", defects.WrongType, 1),
        ("\x00", defects.NotYaml, 1),
    ],
)
def test_what_is_no_procedure_at_all_is_refused_too(text: str, kind: type[Defect], line: int) -> None:
    """Broken YAML and YAML of another shape."""
    with pytest.raises(DefectiveProcedure) as caught:
        load_text(text, "x.yaml")
    assert [(type(each), each.line) for each in caught.value.defects] == [(kind, line)]


def test_an_unreachable_act_is_refused() -> None:
    """An act whose states no case comes to."""
    text = SOUND.replace("    in: [asked]\n    requires", "    in: [urged]\n    requires")
    text = text.replace("    becomes: urged\n", "")
    with pytest.raises(DefectiveProcedure) as caught:
        load_text(text, "assistance.yaml")
    assert (defects.UnreachableAct, 31) in [(type(each), each.line) for each in caught.value.defects]


def test_every_defect_has_a_sentence_of_its_own() -> None:
    """The docstring is the message."""
    kinds = Defect.__subclasses__()
    assert len({kind.reason() for kind in kinds}) == len(kinds)
    assert all(kind.reason() for kind in kinds)
