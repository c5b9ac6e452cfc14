"""Many people of one department sign at once. As a program: sign until killed, telling each number that was answered.

`python -m tests.builders.signings URL COUNT` makes a fresh node over an empty database.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1 import joint_bodies_pb2
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.cases.desk import DeskSession
from services.cases.drafts import Drafts
from services.cases.handling import store
from services.cases.handling.statements import Statements
from services.common.clock import ManualClock
from services.exchange.actors import ActorFacts
from services.exchange.assertions import Purpose
from services.exchange.digests import sha256
from services.exchange.session import DepartmentSession
from tests.builders.departments import JUSTICE
from tests.builders.ledger import MONDAY, Ledger, Node, node

SIGNED_ONLY = """
chain: signed-only
direction: outbound
title: [签发, Signed only]
steps:
  draft: {title: [拟稿, Draft], kind: draft, by: [drafter]}
  sign: {title: [签发, Sign], kind: sign, by: [leader-in-charge]}
  number: {title: [编号, Number], kind: number}
  send: {title: [发出, Send], kind: send, by: [drafter]}
"""


def actor(made: Node, role: str, content: bytes | None = None, purpose: Purpose = Purpose.ACT) -> ActorFacts:
    """Somebody in a role, for a content."""
    token = made.signer.assertion(role, content, purpose)
    return ActorFacts(made.department.verifier.verify(token, made.ledger.clock.now()), token)


def desk_of(session: DepartmentSession) -> DeskSession:
    """The desk in a session."""
    desk = session.features["act"]
    assert isinstance(desk, DeskSession)
    return desk


def prepare(made: Node, count: int) -> list[tuple[str, bytes]]:
    """State the chain and draft so many letters; returns their ids and digests."""
    office = directory_pb.Office(procedure="joint-enforcement", department=JUSTICE)
    made.ledger.common(directory_pb.CommonEntry(office=office))
    made.take()
    principal, clerk = actor(made, "principal"), actor(made, "clerk")

    def state(session: DepartmentSession) -> None:
        statements = Statements(session, desk_of(session))
        statements.set_chain(SIGNED_ONLY, "", "", session.now, None, principal)

    made.run(state)

    def draft(session: DepartmentSession) -> list[tuple[str, bytes]]:
        drafts, found = Drafts(session, desk_of(session)), []
        for index in range(count):
            body = joint_bodies_pb2.JointActionProposal(title=f"行动{index}", facts="联合执法")
            asked = pb.ActDraft(procedure="joint-enforcement", act="initiate", joint_action_proposal=body)
            shown = drafts.prepare(asked, clerk, None, sha256(b""), "")
            found.append((shown.draft.letter_id, shown.draft.content_digest))
        return found

    found = made.run(draft)
    assert isinstance(found, list)
    return found


def sign(made: Node, letter_id: str, digest: bytes) -> str:
    """Sign a letter; returns the number that was issued."""
    leader = actor(made, "leader-in-charge", digest, Purpose.APPROVE)

    def command(session: DepartmentSession) -> str:
        Drafts(session, desk_of(session)).approve(letter_id, digest, "leader-in-charge", leader)
        kept = store.by_letter(session.connection, letter_id)
        assert kept is not None
        return kept.number

    number = made.run(command)
    assert isinstance(number, str)
    return number


def sign_all(made: Node, letters: list[tuple[str, bytes]], people: int = 16) -> Iterator["Future[str]"]:
    """Sign letters, as many at once as there are people; each as it is answered."""
    with ThreadPoolExecutor(people) as pool:
        yield from as_completed([pool.submit(sign, made, *each) for each in letters])


def main(url: str, count: str) -> None:
    """Sign, and say so."""
    with node(url, Ledger(ManualClock(MONDAY))) as made:
        letters = prepare(made, int(count))
        print("ready", flush=True)  # noqa: T201
        for signed in sign_all(made, letters):
            print(signed.result(), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
