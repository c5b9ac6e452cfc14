"""The tables of a department's cases: what is folded from its letters, and what is not sent yet."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("procedure", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment="pending letters included"),
    sa.Column("closed", sa.Boolean, nullable=False),
    sa.Column("changed_at_us", sa.BigInteger, nullable=False),
    sa.Column("next_due_at_us", sa.BigInteger, comment="first open obligation that this department owes"),
    sa.Column("next_rule", sa.Text, nullable=False, server_default=""),
    sa.Column("last_position", sa.BigInteger, nullable=False, comment="-1 while nothing is admitted"),
    sa.Column(
        "folded",
        sa.LargeBinary,
        nullable=False,
        comment="procedures.case.dumps of admitted letters; empty while none is",
    ),
    # one for each way to ask for a list, in the order of the list
    sa.Index("cases_due", "closed", "next_due_at_us", sa.text("case_id DESC")),
    sa.Index("cases_procedure", "procedure", "closed", "next_due_at_us", sa.text("case_id DESC")),
    sa.Index("cases_state", "procedure", "state", "next_due_at_us", sa.text("case_id DESC")),
    # registers, in the order of opening
    sa.Index("cases_register", "procedure", "case_id"),
    # a case's row changes with each act: with room on its page and no indexed value changed, no index is touched
    postgresql_with={"fillfactor": 70},
)

case_parties = sa.Table(
    "case_parties",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("department", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Index("case_parties_department", "department", "case_id"),
)

case_links = sa.Table(
    "case_links",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True, comment="the case that names the other"),
    sa.Column("linked", sa.Text, primary_key=True),
    sa.Column("relation", sa.Text, primary_key=True),
    sa.Index("case_links_linked", "linked"),
)

obligations = sa.Table(
    "obligations",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("owed_by", sa.Text, nullable=False),
    sa.Column(
        "due_at_us", sa.BigInteger, nullable=False, comment="an index: computed from facts and calendar"
    ),
    sa.Column(
        "state", sa.Text, nullable=False, comment="OPEN, ON_TIME, TRANSMITTED_LATE, EXCUSED, LATE, LAPSED"
    ),
    sa.Column("facts", sa.LargeBinary, nullable=False, comment="procedures.case.dumps_obligation"),
    sa.Index("obligations_owed", "owed_by", "state", "due_at_us"),
)

publications = sa.Table(
    "publications",
    metadata,
    sa.Column("letter_id", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="of `publications`; also what withdraws or corrects"),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("number", sa.Text, nullable=False),
    sa.Column("about", sa.Text, nullable=False, comment="the letter that is corrected"),
    sa.Column("body_type", sa.Text, nullable=False),
    sa.Column("party", sa.Text, nullable=False, comment="of a decision, natural persons masked"),
    sa.Column("party_code", sa.Text, nullable=False),
    sa.Index("publications_kind", "kind"),
    sa.Index("publications_case", "case_id", "kind"),
    sa.Index("publications_about", "about"),
)

status_codes = sa.Table(
    "status_codes",
    metadata,
    sa.Column("number", sa.Text, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, comment="of number and code; the code is not kept"),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("issued_at_us", sa.BigInteger, nullable=False),
    sa.Index("status_codes_case", "case_id"),
)

complaint_contacts = sa.Table(
    "complaint_contacts",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("phone", sa.Text, nullable=False),
    sa.Column("passed_on", sa.Boolean, nullable=False, comment="both stand in the letter, too"),
    sa.Column("received_at_us", sa.BigInteger, nullable=False),
    comment="who wrote a complaint on the public site: here and nowhere else",
)

subjects = sa.Table(
    "subjects",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("identifier", sa.Text, nullable=False),
    sa.Column("subject", sa.LargeBinary, nullable=False, comment="serialized cases.v1.Subject"),
    sa.Index("subjects_identifier", "identifier"),
    sa.Index("subjects_name", "name"),
)

subject_mentions = sa.Table(
    "subject_mentions",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("identifier", sa.Text, primary_key=True, comment="as compared; empty where none was given"),
    sa.Column("name", sa.Text, primary_key=True, comment="as written"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name_key", sa.Text, nullable=False, comment="exchange.subject_names.name_key"),
    sa.Column("first_at_us", sa.BigInteger, nullable=False, comment="when what first named it so happened"),
    sa.Column("last_at_us", sa.BigInteger, nullable=False),
    sa.Index("subject_mentions_identifier", "identifier", "case_id"),
    sa.Index("subject_mentions_name", "name_key", "identifier", "case_id"),
    comment="every name that a subject was ever given; `subjects` has the newest of a case",
)

case_items = sa.Table(
    "case_items",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("item_code", sa.Text, primary_key=True),
)

registered_subjects = sa.Table(
    "registered_subjects",
    metadata,
    sa.Column("key", sa.Text, primary_key=True, comment="the department's own number of it"),
    sa.Column("identifier", sa.Text, nullable=False, comment="as compared; empty where none is known"),
    sa.Column("name_key", sa.Text, nullable=False),
    sa.Column("subject", sa.LargeBinary, nullable=False, comment="serialized cases.v1.RegisteredSubject"),
    sa.Index("registered_subjects_identifier", "identifier"),
    sa.Index("registered_subjects_name", "name_key"),
)

penalties = sa.Table(
    "penalties",
    metadata,
    sa.Column("letter_id", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("decision_number", sa.Text, nullable=False),
    sa.Column("fine_fen", sa.BigInteger, nullable=False),
    sa.Column("decided_at_us", sa.BigInteger),
    sa.Index("penalties_case", "case_id"),
    comment="decisions that letters feed back",
)

drafts = sa.Table(
    "drafts",
    metadata,
    sa.Column("letter_id", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False, comment="serialized exchange.v1.ActContent, frozen"),
    sa.Column("content_digest", sa.LargeBinary, nullable=False),
    sa.Column("draft", sa.LargeBinary, nullable=False, comment="serialized cases.v1.ActDraft, as asked for"),
    sa.Column("body_type", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("drafted_by", sa.Text, nullable=False),
    sa.Column("drafted_name", sa.Text, nullable=False),
    sa.Column("drafted_at_us", sa.BigInteger, nullable=False),
    sa.Column("returned_reason", sa.Text, nullable=False, server_default=""),
    sa.Column("state", sa.Text, nullable=False, comment="OPEN, SENT, DISCARDED"),
    sa.Column("idempotency_key", sa.Text, unique=True),
    sa.Column("request_digest", sa.LargeBinary),
    sa.Index("drafts_case", "case_id", "state"),
    sa.Index("drafts_state", "state", "drafted_at_us"),
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("letter_id", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("approved_at_us", sa.BigInteger, nullable=False),
    sa.Column("assertion", sa.LargeBinary, nullable=False, comment="compact JWS over the content digest"),
    sa.Column("certificate", sa.Text, nullable=False, server_default="", comment="an officer's"),
    sa.Column("acting_for_subject", sa.Text, nullable=False, server_default="", comment="by a delegation"),
    sa.Column("acting_for_name", sa.Text, nullable=False, server_default=""),
)

search = sa.Table(
    "search",
    metadata,
    sa.Column(
        "term",
        # by bytes, so that what a word begins is one range of the key
        sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
        primary_key=True,
        comment="two characters, or a whole number, identifier, telephone number; py: and initials",
    ),
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column(
        "matched",
        sa.Text,
        nullable=False,
        comment="title, body, subject, person, pinyin, identifier, telephone, number",
    ),
)

served_duties = sa.Table(
    "served_duties",
    metadata,
    sa.Column("duty", sa.Text, primary_key=True),
    sa.Column("period", sa.Integer, primary_key=True, autoincrement=False, comment="YYYYMM or YYYYMMDD"),
    sa.Column("letter_id", sa.Text, nullable=False, comment="the own letter that discharged it"),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("discharged_at_us", sa.BigInteger, nullable=False, comment="the letter's admission"),
    sa.Column("due_at_us", sa.BigInteger, nullable=False, comment="frozen at the discharge"),
    sa.Column("outcome", sa.Text, nullable=False, comment="ON_TIME, TRANSMITTED_LATE, EXCUSED, LATE"),
)
