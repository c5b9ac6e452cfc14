"""What cases are found by: links to each other, and subjects and search terms from the bodies of their letters."""

from __future__ import annotations

from typing import Any

from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.cases import bodies, store


class Index:
    """What one commit group adds to what cases are found by."""

    def __init__(self) -> None:
        self._subjects: list[tuple[Any, ...]] = []
        self._terms: dict[tuple[str, str], str] = {}
        self._links: list[tuple[str, str, str]] = []

    def link(self, content: pb.ActContent) -> None:
        """Note the cases that an act names."""
        self._links += [(content.case_id, each.case_id, each.relation) for each in content.linked_cases]

    def read(self, case_id: str, body_type: str, payload: bytes, number: str) -> str:
        """Note what a letter tells of its case; returns the title it gives, empty if none."""
        if number:
            self._terms[number.lower(), case_id] = "number"
        if not bodies.searched(body_type):
            return ""
        body = bodies.parse_body(body_type, payload)
        if body is None:
            return ""
        for term in bodies.terms(bodies.text_of(body)):
            self._terms.setdefault((term, case_id), "body")
        title = bodies.title_of(body)
        for term in bodies.terms(title):
            self._terms[term, case_id] = "title"
        for index, subject in enumerate(bodies.subjects_of(body)):
            identifier = bodies.normalised(subject.identifier)
            self._subjects.append(
                (case_id, index, str(subject.kind), subject.name, identifier, subject.SerializeToString())
            )
            for term in bodies.terms(subject.name):
                self._terms[term, case_id] = "subject"
            if identifier:
                self._terms[identifier.lower(), case_id] = "identifier"
        return title

    def flush(self, connection: Connection) -> None:
        """Write."""
        store.write_subjects(connection, self._subjects)
        store.write_links(connection, self._links)
        store.write_terms(
            connection, [(term, case_id, matched) for (term, case_id), matched in self._terms.items()]
        )
