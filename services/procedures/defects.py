"""What can be wrong with the text of a procedure. The docstring of a class is its message."""

from __future__ import annotations

from collections.abc import Sequence


class Defect(Exception):
    """The procedure cannot be used."""

    def __init__(self, file: str, line: int, detail: str = "") -> None:
        self.file = file
        self.line = line
        self.detail = detail
        super().__init__(f"{file}:{line}: {self.reason()}" + (f" ({detail})" if detail else ""))

    @classmethod
    def reason(cls) -> str:
        """The first line of the class docstring, without its full stop."""
        return (cls.__doc__ or "").strip().partition("\n")[0].rstrip(".")


class DefectiveProcedure(Exception):
    """A procedure is refused; every defect is named with file and line."""

    def __init__(self, defects: Sequence[Defect]) -> None:
        self.defects = tuple(sorted(defects, key=lambda each: (each.file, each.line)))
        super().__init__("\n".join(str(each) for each in self.defects))


class NotYaml(Defect):
    """The text is no YAML."""


class WrongType(Defect):
    """The value has the wrong type."""


class DuplicateKey(Defect):
    """The key stands twice."""


class UnknownKey(Defect):
    """The key is not known here."""


class MissingKey(Defect):
    """A key is missing."""


class MissingTranslation(Defect):
    """A title needs text in Chinese and in English."""


class UnknownUnit(Defect):
    """The limit is no number of wd, d, h, month or year, nor `at once`."""


class UnknownUrgency(Defect):
    """The urgency is none of ordinary, urgent, major."""


class UnknownMark(Defect):
    """The mark is no percentage, `due`, or time before it."""


class UnknownAction(Defect):
    """The mark's action is not known."""


class UnknownRole(Defect):
    """The procedure declares no such role."""


class UnknownPersonRole(Defect):
    """No person holds such a role in a department."""


class UnknownState(Defect):
    """The procedure declares no such state."""


class UnknownAct(Defect):
    """The procedure declares no such act."""


class UnknownObligation(Defect):
    """The procedure declares no such obligation."""


class UnknownProcedure(Defect):
    """No procedure of that name is loaded beside this one."""


class NotAHeaderField(Defect):
    """A rule may refer only to fields of the act header, never to a body's."""


class UnreachableAct(Defect):
    """The act can never be done."""


class DeadState(Defect):
    """The state is never reached, or no way leads from it to a final state."""


class NobodyCanDischarge(Defect):
    """No act that discharges the obligation can follow where it opens."""


class LimitNotRequired(Defect):
    """The limit is taken from the opening act, which does not require `requested_limit`."""


class ExtensionDoesNotFit(Defect):
    """The extension is not in the unit of every limit it adds to, or its act requires no `reason_code`."""


class Contradiction(Defect):
    """Two parts of the procedure contradict each other."""


class UnknownWord(Defect):
    """The word is none of those that may stand here."""
