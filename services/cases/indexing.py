"""What cases are found by: links to each other, matters, and what the bodies of their letters say.

Of bodies that is subjects under every name that they were given, penalties fed back, and search terms: words by their
pairs of characters; letter numbers, identifiers, telephone numbers and the initials of names whole.
"""

from __future__ import annotations

from typing import Any

from liandong.cases.v1 import bodies_pb2
from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.cases import bodies, pinyin, publications, store
from services.exchange.subject_names import name_key


class Index:
    """What one commit group adds to what cases are found by."""

    def __init__(self) -> None:
        self._subjects: list[tuple[Any, ...]] = []
        self._terms: dict[tuple[str, str], str] = {}
        self._links: list[tuple[str, str, str]] = []
        self._items: list[tuple[str, str]] = []
        self._mentions: dict[tuple[str, str, str], tuple[Any, ...]] = {}
        self._penalties: list[tuple[Any, ...]] = []
        self._publications: list[tuple[Any, ...]] = []

    def link(self, content: pb.ActContent) -> None:
        """Note the cases and the matter that an act names."""
        self._links += [(content.case_id, each.case_id, each.relation) for each in content.linked_cases]
        if content.item_code:
            self._items.append((content.case_id, content.item_code))

    def read(self, letter_id: str, content: pb.ActContent, payload: bytes, number: str) -> str:
        """Note what a letter tells of its case; returns the title it gives, empty if none."""
        case_id, body_type = content.case_id, content.body_type
        if number:
            self._terms[number.lower(), case_id] = "number"
        if not bodies.searched(body_type):
            return ""
        body = bodies.parse_body(body_type, payload)
        said = publications.noted(content, body)
        if said is not None:
            self._publications.append(
                (
                    letter_id, case_id, said.kind, said.title, said.number, said.about, body_type, said.party,
                    said.party_code,
                )
            )  # fmt: skip
        if body is None:
            return ""
        for term in bodies.terms(bodies.text_of(body)):
            self._terms.setdefault((term, case_id), "body")
        title = bodies.title_of(body)
        for term in bodies.terms(title):
            self._terms[term, case_id] = "title"
        for text in bodies.people_of(body):
            self._person(case_id, text)
        decision = bodies.decision_of(body)
        if decision is not None:
            self._penalties.append((letter_id, case_id, *decision))
        at_us = content.occurred_at.ToMicroseconds()
        for index, subject in enumerate(bodies.subjects_of(body)):
            identifier = bodies.normalised(subject.identifier)
            self._mention(case_id, identifier, subject, at_us)
            self._subjects.append(
                (case_id, index, str(subject.kind), subject.name, identifier, subject.SerializeToString())
            )
            for term in bodies.terms(subject.name):
                self._terms[term, case_id] = "subject"
            for term in pinyin.terms(subject.name):
                self._terms.setdefault((term, case_id), "pinyin")
            if identifier:
                self._terms[identifier.lower(), case_id] = "identifier"
            for text in (subject.representative, subject.telephone):
                self._person(case_id, text)
        return title

    def _person(self, case_id: str, text: str) -> None:
        """Note what is said of somebody: words, and telephone numbers by their digits."""
        for term in bodies.telephones(text):
            self._terms.setdefault((term, case_id), "telephone")
        for term in bodies.terms(text):
            if not term.isdigit():
                self._terms.setdefault((term, case_id), "person")

    def _mention(self, case_id: str, identifier: str, subject: bodies_pb2.Subject, at_us: int) -> None:
        key = (case_id, identifier, subject.name)
        first_us = min(at_us, self._mentions[key][5]) if key in self._mentions else at_us
        self._mentions[key] = (*key, str(subject.kind), name_key(subject.name), first_us, at_us)

    def flush(self, connection: Connection) -> None:
        """Write."""
        store.write_subjects(connection, self._subjects)
        store.write_links(connection, self._links)
        store.write_items(connection, self._items)
        store.write_mentions(connection, list(self._mentions.values()))
        store.write_penalties(connection, self._penalties)
        store.write_publications(connection, self._publications)
        store.write_terms(
            connection, [(term, case_id, matched) for (term, case_id), matched in self._terms.items()]
        )
