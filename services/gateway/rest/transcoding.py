"""Between HTTP and messages: path, query and JSON body in, JSON out (the JSON mapping of protobuf).

What is wrong is said with the field's path, as the contracts say it; rules beyond the form (lengths,
patterns) are judged by the service itself, which names the field in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from services.common.errors import InvalidField, Malformed
from services.gateway.rest.forms import TEXTS, check_form, text_of, wrong
from services.gateway.rest.routes import Route
from services.gateway.rest.schemas import is_required

MEDIA_TYPE: Final = "application/json"
_FOR_URLS: Final = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_AS_STANDARD: Final = str.maketrans("-_", "+/")


def request_of(
    route: Route,
    variables: Mapping[str, str],
    query: Iterable[tuple[str, str]],
    body: bytes,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Message:
    """The request that an HTTP request stands for.

    Args:
        route: Its route.
        variables: What stands in the path, by the fields' names.
        query: Parameters, each as often as it was given; a field of a field as `period.month`.
        body: The JSON, empty for none.
        headers: Fields that headers stand for, where the body does not name them.

    Raises:
        InvalidField: A parameter or field that is unknown, or whose value has not its form.
        Malformed: The body is no JSON object, or there is none.
    """
    content: dict[str, Any] = {}
    if route.body:
        found = _object(body)
        content = found if route.body == "*" else {route.body: found}
    elif body:
        raise Malformed("This method takes no body.")
    for name, value in query:
        _put(route, content, name, value)
    for field in route.query:
        if field.message_type is not None and isinstance(content.get(field.name), dict):
            _whole(field.name, field.message_type, content[field.name])
    for name, text in variables.items():
        # the path says which: a body that says another would be a mistake unseen
        field = route.method.input_type.fields_by_name[name]
        value = _in_path(field, text)
        for key in {name, field.json_name} & content.keys():
            if content.pop(key) != value:
                raise wrong(name, "The path says otherwise.")
        content[name] = value
    for name, text in headers.items():
        # an empty one is refused like any other that is too short
        if not {name, route.method.input_type.fields_by_name[name].json_name} & content.keys():
            content[name] = text
    check_form(route.method.input_type, content)
    request = route.request()
    try:
        json_format.ParseDict(content, request)
    except json_format.ParseError as error:
        raise wrong("", f"The JSON is no {route.method.input_type.name}: {error}") from None
    return request


def json_of(message: Message) -> bytes:
    """A message as JSON, with every field that has no presence of its own."""
    return orjson.dumps(json_format.MessageToDict(message, always_print_fields_with_no_presence=True))


def _object(body: bytes) -> dict[str, Any]:
    if not body:
        raise Malformed("This method takes a body, a JSON object.")
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"The body is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Malformed("The body is to be a JSON object.")
    return found


def _put(route: Route, content: dict[str, Any], name: str, value: str) -> None:
    """Put a parameter of the query where its field stands."""
    path = name.split(".")
    message = route.method.input_type
    allowed = {field for each in route.query for field in (each.name, each.json_name)}
    if path[0] not in allowed:
        raise wrong(name, "There is no parameter of this name.")
    place = content
    for index, part in enumerate(path):
        field = message.fields_by_name.get(part) or message.fields_by_camelcase_name.get(part)
        if field is None:
            raise wrong(name, "There is no parameter of this name.")
        if index < len(path) - 1:
            if field.message_type is None or field.is_repeated:
                raise wrong(name, "This parameter has no fields.")
            message = field.message_type
            place = place.setdefault(field.name, {})
            continue
        if field.message_type is not None and field.message_type.full_name not in TEXTS:
            raise wrong(name, "This parameter is given by its fields, as in `period.month`.")
        converted = text_of(field, value, name)
        if field.is_repeated:
            place.setdefault(field.name, []).append(converted)
        elif field.name in place:
            raise wrong(name, "This parameter is given more than once.")
        else:
            place[field.name] = converted


def _whole(name: str, message: Descriptor, content: Mapping[str, Any]) -> None:
    """Of what is given by its fields all are given that it cannot be without: no schema of parameters says that."""
    for each in message.fields:
        if is_required(each) and each.name not in content:
            path = f"{name}.{each.name}"
            raise InvalidField(f"{path}: this is missing beside the others.", field=path)


def _in_path(field: FieldDescriptor, text: str) -> Any:
    """Bytes stand in a path in Base64 for URLs, without padding: the other one has slashes."""
    if field.type != FieldDescriptor.TYPE_BYTES:
        return text_of(field, text, field.name)
    if not _FOR_URLS.fullmatch(text):
        raise wrong(field.name, "This is a text in Base64 for URLs, without padding.")
    return text.translate(_AS_STANDARD) + "=" * (-len(text) % 4)
