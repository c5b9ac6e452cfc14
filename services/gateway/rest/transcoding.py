"""Between HTTP and messages: path, query and JSON body in, JSON out (the JSON mapping of protobuf).

What is wrong is said with the field's path, as the contracts say it; rules beyond the form (lengths,
patterns) are judged by the service itself, which names the field in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from services.common.errors import FieldViolation, InvalidField, Malformed
from services.gateway.rest.routes import Route

MEDIA_TYPE: Final = "application/json"
_DEEPEST: Final = 32
_SCALARS: Final = frozenset(
    {"google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask"}
)
"""Messages that are one string in JSON."""
_TRUTH: Final = {"true": True, "false": False, "1": True, "0": False}


def request_of(
    route: Route, variables: Mapping[str, str], query: Iterable[tuple[str, str]], body: bytes
) -> Message:
    """The request that an HTTP request stands for.

    Args:
        route: Its route.
        variables: What stands in the path, by the fields' names.
        query: Parameters, each as often as it was given; a field of a field as `period.month`.
        body: The JSON, empty for none.

    Raises:
        InvalidField: A parameter or field that is unknown, or whose value has not its form.
        Malformed: The body is no JSON object.
    """
    content: dict[str, Any] = {}
    if route.body:
        found = _object(body)
        content = found if route.body == "*" else {route.body: found}
    elif body:
        raise Malformed("This method takes no body.")
    for name, value in query:
        _put(route, content, name, value)
    for name, value in variables.items():
        # the path says which: a body that says another would be a mistake unseen
        camel = route.method.input_type.fields_by_name[name].json_name
        for key in {name, camel} & content.keys():
            if str(content.pop(key)) != value:
                raise InvalidField("The path says otherwise.", field=name)
        content[name] = value
    request = route.request()
    try:
        json_format.ParseDict(content, request, max_recursion_depth=_DEEPEST)
    except json_format.ParseError as error:
        raise _not_of_its_form(route.method.input_type, content, error) from None
    return request


def json_of(message: Message) -> bytes:
    """A message as JSON, with every field that has no presence of its own."""
    return orjson.dumps(json_format.MessageToDict(message, always_print_fields_with_no_presence=True))


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body or b"{}")
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
        raise InvalidField("There is no parameter of this name.", field=name)
    place = content
    for index, part in enumerate(path):
        field = message.fields_by_name.get(part) or message.fields_by_camelcase_name.get(part)
        if field is None:
            raise InvalidField("There is no parameter of this name.", field=name)
        if index < len(path) - 1:
            if field.message_type is None or field.is_repeated:
                raise InvalidField("This parameter has no fields.", field=name)
            message = field.message_type
            place = place.setdefault(field.name, {})
            continue
        converted = _scalar(field, value, name)
        if field.is_repeated:
            place.setdefault(field.name, []).append(converted)
        elif field.name in place:
            raise InvalidField("This parameter is given more than once.", field=name)
        else:
            place[field.name] = converted


def _scalar(field: FieldDescriptor, value: str, name: str) -> Any:
    if field.type == FieldDescriptor.TYPE_BOOL:
        if value.lower() not in _TRUTH:
            raise InvalidField("This is true or false.", field=name)
        return _TRUTH[value.lower()]
    if field.message_type is not None and field.message_type.full_name not in _SCALARS:
        raise InvalidField("This parameter is given by its fields, as in `period.month`.", field=name)
    return value


def _not_of_its_form(
    message: Descriptor, content: Mapping[str, Any], error: json_format.ParseError
) -> InvalidField:
    field = _culprit(message, content)
    text = str(error)
    return InvalidField(
        "The value has not the form of its field.",
        field=field,
        violations=[FieldViolation(field, "form", text)],
    )


def _culprit(message: Descriptor, content: Mapping[str, Any], before: str = "") -> str:
    """The deepest field whose value alone cannot be read, as a path; empty if it is none alone."""
    for key, value in content.items():
        field = message.fields_by_name.get(key) or message.fields_by_camelcase_name.get(key)
        path = f"{before}{key if field is None else field.name}"
        if field is None:
            return path
        try:
            json_format.ParseDict(
                {key: value}, message_factory.GetMessageClass(message)(), max_recursion_depth=_DEEPEST
            )
        except json_format.ParseError:
            kind = field.message_type
            if kind is None or kind.full_name.startswith("google.protobuf."):
                return path
            if field.is_repeated and isinstance(value, list):
                for index, each in enumerate(value):
                    if isinstance(each, dict):
                        found = _culprit(kind, each, f"{path}[{index}].")
                        if found:
                            return found
            elif isinstance(value, dict) and not kind.GetOptions().map_entry:
                return _culprit(kind, value, f"{path}.") or path
            return path
    return ""
