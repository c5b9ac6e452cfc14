"""Documents, tasks and what is stated about them as people see them."""

from __future__ import annotations

from collections.abc import Iterable

from liandong.cases.v1 import handling_service_pb2 as pb
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from services.cli.output import facts, moment, table, word
from services.cli.texts import pick

_MOST = 1_000
_LATE = "[bold red]{}[/]"


def work(items: Iterable[pb.WorkItem]) -> Table:
    """What somebody has to do."""
    rows = table("document", "task", "what", "step", "title", "due", "acting_for")
    for each in items:
        document, task = each.document, each.task
        due = task.due_at if each.HasField("task") else document.due_at
        late = task.overdue if each.HasField("task") else document.overdue
        rows.add_row(
            document.document_id, str(task.task) if task.task else "",
            pick(document.act_title_zh, document.act_title_en),
            pick(task.title_zh or document.step_title_zh, task.title_en or document.step_title_en),
            escape(document.title), _due(moment(due), late=late), escape(each.acting_for.name),
        )  # fmt: skip
    return rows


def counts(found: pb.CountWorkResponse) -> Table:
    """How much there is; of what is counted no further, at least so many."""
    counted = [
        ("to_do", found.to_do), ("to_approve", found.to_approve), ("to_sign_for", found.to_sign_for),
        ("tasks_overdue", found.tasks_overdue), ("waiting_for_others", found.waiting), ("sent", found.sent),
        ("cases_overdue", found.cases_overdue), ("cases_due_soon", found.cases_due_soon),
    ]  # fmt: skip
    return facts([(name, f"{count}+" if count >= _MOST else str(count)) for name, count in counted])


def documents(views: Iterable[pb.DocumentView]) -> Table:
    """Documents in a list."""
    rows = table("document", "direction", "what", "title", "number", "step", "state", "due")
    for each in views:
        rows.add_row(
            each.document_id, direction(each.direction), pick(each.act_title_zh, each.act_title_en),
            escape(each.title), each.number, pick(each.step_title_zh, each.step_title_en),
            document_state(each.state), _due(moment(each.due_at), late=each.overdue),
        )  # fmt: skip
    return rows


def document(view: pb.DocumentView) -> RenderableType:
    """Where a document stands."""
    return facts(
        [
            ("document", view.document_id),
            ("letter", view.letter_id),
            ("case", view.case_id),
            ("title", escape(view.title)),
            ("what", pick(view.act_title_zh, view.act_title_en)),
            ("direction", direction(view.direction)),
            ("number", view.number),
            ("drafted_by", escape(view.drafter.name)),
            ("section", view.section),
            ("state", document_state(view.state)),
            ("step", pick(view.step_title_zh, view.step_title_en)),
            ("due", _due(moment(view.due_at), late=view.overdue) if view.HasField("due_at") else ""),
            ("content_digest", view.content_digest.hex()),
        ]
    )


def whole(found: pb.GetDocumentResponse) -> RenderableType:
    """A document with its tasks, what lies beside it, and its history."""
    tasks = table("task", "step", "who", "started", "due", "outcome", "by", "at", "note")
    for each in found.tasks:
        tasks.add_row(
            str(each.task), pick(each.title_zh, each.title_en), "、".join(map(who, each.who)),
            moment(each.started_at), _due(moment(each.due_at), late=each.overdue), _outcome(each),
            _doer(each.done_by, each.acting_for), moment(each.done_at), escape(each.note),
            style="" if each.stands else "dim",
        )  # fmt: skip
    parts: list[RenderableType] = [document(found.document), "", tasks]
    if found.attachments:
        beside = table("step", "kind", "root", "by", "at", "note")
        for file in found.attachments:
            kind = pb.AttachmentKind.Name(file.kind).removeprefix("ATTACHMENT_KIND_")
            beside.add_row(
                file.step, word("attachment", kind), file.manifest_root.hex(),
                escape(file.attached_by.name), moment(file.attached_at), escape(file.note),
            )  # fmt: skip
        parts += ["", beside]
    history = table("at", "by", "what", "step", "note")
    for line in found.history:
        history.add_row(
            moment(line.at), _doer(line.person, line.acting_for), word("handled", line.what), line.step,
            escape(line.note),
        )  # fmt: skip
    return Group(*parts, "", history)


def chains(views: Iterable[pb.ChainView]) -> Table:
    """Chains with their steps."""
    rows = table("chain", "name", "direction", "procedure", "act", "valid", "steps")
    for each in views:
        steps = " → ".join(pick(step.title_zh, step.title_en) for step in each.steps)
        rows.add_row(
            str(each.chain_id or ""), each.name, direction(each.direction), each.procedure, each.act,
            _period(each), steps,
        )  # fmt: skip
    return rows


def series(views: Iterable[pb.SeriesView]) -> Table:
    """Number series."""
    rows = table("series", "number_word", "direction", "procedure", "act", "section", "valid")
    for each in views:
        rows.add_row(
            str(each.series_id), escape(each.word), direction(each.direction), each.procedure, each.act,
            each.section, _period(each),
        )  # fmt: skip
    return rows


def seals(views: Iterable[pb.SealImageView]) -> Table:
    """Pictures of the seal."""
    rows = table("seal", "size", "pixels", "valid", "set_by", "digest")
    for each in views:
        rows.add_row(
            str(each.seal_id), f"{each.size_mm} mm", f"{each.pixels_wide} × {each.pixels_high}", _period(each),
            escape(each.set_by.name), each.digest.hex()[:16],
        )  # fmt: skip
    return rows


def numbers(found: pb.ListNumbersResponse) -> Table:
    """Every number, and what it is."""
    rows = table("number", "state", "document", "why", "at")
    for each in found.numbers:
        state = pb.NumberState.Name(each.state).removeprefix("NUMBER_STATE_")
        rows.add_row(
            escape(each.number), word("number_state", state), each.letter_id, escape(each.reason),
            moment(each.voided_at),
        )  # fmt: skip
    return rows


def delegations(views: Iterable[pb.DelegationView]) -> Table:
    """Who acts for whom."""
    rows = table("delegation", "absent", "role", "delegate", "valid", "scope", "why")
    for each in views:
        period = f"{moment(each.since)} – {moment(each.until)}"
        rows.add_row(
            str(each.delegation_id), escape(f"{each.absent.name} ({each.absent.subject})"),
            word("roles", each.absent.role), escape(f"{each.delegate.name} ({each.delegate.subject})"),
            f"[green]{period}[/]" if each.in_effect else f"[dim]{period}[/]", ", ".join(each.scope),
            escape(each.reason),
        )  # fmt: skip
    return rows


def handed_over(found: pb.HandOverResponse) -> RenderableType:
    """What moved with a post, and what did not."""
    rows = table("document", "title", "step", "tasks", "outcome")
    for outcome, parts in (("moved", found.moved), ("left", found.left)):
        for each in parts:
            view = each.document
            rows.add_row(
                view.document_id, escape(view.title), pick(view.step_title_zh, view.step_title_en),
                ", ".join(map(str, each.tasks)), word("hand_over", outcome),
            )  # fmt: skip
    return rows


def registers(views: Iterable[pb.RegisterView]) -> Table:
    """Registers and their columns."""
    rows = table("procedure", "title", "columns")
    for each in views:
        names = "、".join(pick(column.title_zh, column.title_en) for column in each.columns)
        rows.add_row(each.procedure, pick(each.title_zh, each.title_en), names)
    return rows


def who(found: pb.Who) -> str:
    """Who may do something, as it is typed."""
    if found.subject:
        return f"p:{found.subject}"
    return f"{found.role}@{found.section}" if found.section else word("roles", found.role)


def direction(value: pb.Direction.ValueType) -> str:
    """Which way a letter goes."""
    return word("direction", pb.Direction.Name(value).removeprefix("DIRECTION_"))


def document_state(value: pb.DocumentState.ValueType) -> str:
    """Where a document stands."""
    return word("document_state", pb.DocumentState.Name(value).removeprefix("DOCUMENT_STATE_"))


def _outcome(task: pb.TaskView) -> str:
    said = word("task_outcome", pb.TaskOutcome.Name(task.outcome).removeprefix("TASK_OUTCOME_"))
    if task.outcome == pb.TASK_OUTCOME_OPEN and task.HasField("taken_by"):
        return f"{said} ({escape(task.taken_by.name)})"
    return said


def _doer(person: pb.HandlingPerson, absent: pb.HandlingPerson) -> str:
    name = person.name or person.subject
    return escape(f"{name}（代 {absent.name}）" if absent.name else name)


def _due(text: str, *, late: bool) -> str:
    return _LATE.format(text) if late else text


def _period(view: pb.ChainView | pb.SeriesView | pb.SealImageView) -> str:
    return f"{moment(view.valid_from)} – {moment(view.valid_until) if view.HasField('valid_until') else ''}"
