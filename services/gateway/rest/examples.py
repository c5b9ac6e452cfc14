"""Examples of messages in JSON, made from the contracts, so that they keep every rule of theirs.

A request's example has what must be given, and what people usually give; an answer's has one of
everything, not deep. Values go by the name of the field and by its rules; a rule that no value here keeps
stops the making of the document.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

from buf.validate import validate_pb2
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from services.common.edge import validate
from services.gateway.rest.schemas import is_required

_CASE: Final = "0190b6f2-5c1e-7a44-9b0e-3f6f0c2d7a11"
_LETTER: Final = "0190b6f3-11d2-7c08-8e6a-5b7f1d9e4c22"
_MOMENT: Final = "2026-03-02T01:00:00Z"
_ROOT: Final = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
_DEEPEST: Final = 4
_DIGEST_SIZE: Final = 32
_NAMED: Final[Mapping[str, str]] = {
    "act": "register", "act_title_zh": "登记", "act_title_en": "Register", "address": "zhao@health.example",
    "area_code": "370100", "author": "health.qinghe", "basis": "《行政处罚法》第二十七条",
    "body_type": "liandong.cases.v1.Discovery", "case_id": _CASE, "category": "enforcement-results",
    "certificate": "37010012345", "channel": "mail", "clause": "3.1", "code": "370100", "collected_by": "李雷",
    "collected_place": "清河区人民路1号", "contact": "李雷", "department": "health.qinghe", "document_id": _LETTER,
    "credit_code": "91370100MA3C0XKY8T", "duty": "half-year-report", "facts": "检查发现该诊所未取得许可。",
    "file_name": "照片.jpg", "found": "未取得许可", "grounds": "无管辖权。", "home_registry": "registry.qinghe",
    "idempotency_key": "oa-2026-000123", "identifier": "91370100MA3C0XKY8T", "indicator": "cases-opened",
    "instrument": "清卫移〔2026〕1号", "invitation": "liandong-invitation", "issuer": "issuer.health",
    "item_code": "370100-0211", "item_id": _LETTER, "key": "2025-117", "key_id": "health.qinghe/sign/1",
    "language": "zh", "letter_id": _LETTER, "mechanism": "case-transfer", "media_type": "image/jpeg",
    "message": "The value has not the form of its field.", "month": "2026-03", "name": "张三",
    "number": "清卫移〔2026〕1号",
    "number_word": "清卫", "object_id": "1", "officers": "37010012345", "owed_by": "market.qinghe", "period": "2026-03",
    "permit_number": "37010020260001", "person": "zhao@health.qinghe", "place": "清河区人民路1号",
    "procedure": "case-transfer", "purpose": "核对办案主体", "query": "无证行医", "reason": "需要补充材料。",
    "region": "qinghe", "remark": "请尽快办理。", "request_id": "01a201c8a4c074b79faba2ff33d32e7e",
    "result": "已处理。", "role": "section-head", "rule": "acceptance", "schema": "enforcement-results/1",
    "section": "law", "serials": "1f3a", "state": "transferred", "step": "review", "subject": "zhao@health.qinghe",
    "webhook_id": "01a201c8a4c074b79faba2ff33d32e7e", "url": "https://oa.health.example/events",
    "secret": "", "event_id": "letter-0190b6f3-11d2-7c08-8e6a-5b7f1d9e4c22", "types": "liandong.letter.arrived",
    "type": "liandong.letter.arrived", "error": "", "disabled": "",
    "table": "area", "telephone": "0531-12345678", "text": "请予核查。", "title": "无证行医",
    "title_zh": "清河区卫生健康局",
    "title_en": "Qinghe District Health Commission", "within": "15 wd", "word": "清卫移", "scope": "case-transfer",
}  # fmt: skip
_FOR_URLS: Final = str.maketrans("+/", "-_")
_POOL: Final = (
    "case-transfer", "说明", _LETTER, "2026-03", "2026-03-02", "05-01", "health.qinghe", "zh", "370100", "", "health",
    "01a201c8a4c074b79faba2ff33d32e7e",
)  # fmt: skip
"""Tried one after the other where a name says nothing, or what it says breaks a rule."""
_WRITTEN: Final[Mapping[str, dict[str, Any]]] = {
    "liandong.cases.v1.ActDraft": {
        "procedure": "case-transfer", "act": "register",
        "discovery": {"title": "无证行医", "facts": "检查发现该诊所未取得许可。"},
    },
    "liandong.directory.v1.CommonEntry": {
        "department": {
            "name": "health.qinghe", "title": {"zh": "清河区卫生健康局", "en": "Qinghe District Health Commission"},
            "level": "LEVEL_DISTRICT", "numberWord": "清卫", "status": "DEPARTMENT_STATUS_LISTED",
        }
    },
    "liandong.exchange.v1.Manifest": {
        "root": "IutAfL9LtWpF/xAj6zrX+2tGNIqD6oBL/hnEEa9dM0c=", "digest": _ROOT, "size": "0",
        "mediaType": "text/plain", "fileName": "空.txt", "collectedBy": "李雷", "collectedAt": _MOMENT,
    },
}  # fmt: skip
"""What is written here, since its parts have to fit each other."""


def request_example(message: Descriptor) -> dict[str, Any]:
    """An example of a request, checked against its rules.

    Raises:
        ValueError: A rule that nothing here keeps.
    """
    found = _object(message, answer=False, depth=0)
    check_example(message, found)
    return found


def answer_example(message: Descriptor) -> dict[str, Any]:
    """An example of an answer, checked likewise.

    Raises:
        ValueError: A rule that nothing here keeps.
    """
    found = _object(message, answer=True, depth=0)
    check_example(message, found)
    return found


def path_example(field: FieldDescriptor) -> Any:
    """An example of a variable of a path; bytes are in Base64 for URLs there."""
    found = _value(field, answer=True, depth=0)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return str(found).translate(_FOR_URLS).rstrip("=")
    return found


def check_example(message: Descriptor, example: dict[str, Any]) -> Message:
    """The message that an example is, its rules checked.

    Raises:
        ValueError: It is none, or breaks a rule.
    """
    made = message_factory.GetMessageClass(message)()
    try:
        json_format.ParseDict(example, made)
        validate(made)
    except Exception as error:
        raise ValueError(f"The example of {message.full_name} is wrong: {error}") from error
    return made


def _object(message: Descriptor, *, answer: bool, depth: int) -> dict[str, Any]:
    written = _WRITTEN.get(message.full_name)
    if written is not None:
        return dict(written)
    found: dict[str, Any] = {}
    chosen: set[str] = set()
    for field in message.fields:
        if not is_required(field) and not _usual(field, answer=answer, depth=depth):
            continue
        choice = field.containing_oneof
        if choice is not None and len(choice.fields) > 1:
            if choice.name in chosen:
                continue
            chosen.add(choice.name)
        value = _value(field, answer=answer, depth=depth)
        if field.is_repeated:
            found[field.json_name] = [value] * max(1, _rules(field).repeated.min_items)
        else:
            found[field.json_name] = value
    return found


def _usual(field: FieldDescriptor, *, answer: bool, depth: int) -> bool:
    nested = field.message_type is not None and not field.message_type.full_name.startswith(
        "google.protobuf."
    )
    if answer:
        return field.name != "next_page_token" and not (nested and depth >= _DEEPEST - 2)
    choice = field.containing_oneof
    if choice is not None and choice.GetOptions().Extensions[validate_pb2.oneof].required:
        return True
    return not nested and field.name in {"title", "text", "remark", "reason"} and not field.is_repeated


def _value(field: FieldDescriptor, *, answer: bool, depth: int) -> Any:
    rules = _rules(field)
    if field.is_repeated:
        rules = rules.repeated.items
    kind = rules.WhichOneof("type")
    own = getattr(rules, kind) if kind is not None else None
    message = field.message_type
    if message is not None:
        if message.full_name == "google.protobuf.Timestamp":
            return _MOMENT
        if message.full_name == "google.protobuf.Duration":
            return "60s"
        if depth > _DEEPEST * 3:
            raise ValueError(f"{field.full_name} has no end.")
        return _object(message, answer=answer, depth=depth + 1)
    if field.enum_type is not None:
        names = [each.name for each in field.enum_type.values]
        return names[min(1, len(names) - 1)]
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes(own)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text(field, own)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return False
    if field.type in {FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT}:
        return 1.0
    number = _number(field, own)
    return str(number) if field.type in _AS_TEXT else number


_AS_TEXT: Final = frozenset({FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64})


def _bytes(own: Any) -> str:
    shortest = 0 if own is None else own.len or own.min_len
    return _ROOT if shortest <= _DIGEST_SIZE else base64.b64encode(bytes(range(shortest))).decode()


def _number(field: FieldDescriptor, own: Any) -> int:
    names = {each.name for each, _ in own.ListFields()} if own is not None else set()
    if field.name == "page_size":
        return 50
    return max(1, own.gte) if "gte" in names else 1


def _text(field: FieldDescriptor, own: Any) -> str:
    allowed = [] if own is None else [each for each in getattr(own, "in") if each]
    for each in (*allowed, _NAMED.get(field.name, "说明"), *_POOL):
        if own is None or _keeps(own, each):
            return str(each)
    raise ValueError(f"No text for {field.full_name}.")


def _keeps(own: Any, text: str) -> bool:
    allowed = getattr(own, "in")
    if allowed:
        return text in allowed
    if own.len and len(text) != own.len:
        return False
    if len(text) < own.min_len or (own.max_len and len(text) > own.max_len):
        return False
    if own.max_bytes and len(text.encode()) > own.max_bytes:
        return False
    pattern = re.sub(r"\\x\{([0-9a-f]{4})\}", r"\\u\1", own.pattern)
    return not pattern or re.search(pattern, text) is not None


def _rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    return field.GetOptions().Extensions[validate_pb2.field]
