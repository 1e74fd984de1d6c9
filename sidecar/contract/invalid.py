"""What is wrong with a value that does not fit its type, in a sentence for people.

Owns the sentences. The library that converts says: Expected `float | null`, got `str` - at `$.temperature`. A person
needs "temperature must be a number." What the library leaves out, such as the other end of a range or the values there
are, is read from the type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from sidecar.contract.errors import InvalidParams, legible

MAX_PATH_CHARACTERS = 500
"""Of the path to a parameter. Ours are far shorter, but a host may name one of its own."""

_PATH = re.compile(r" - at (?P<key>`key` in )?`(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>[^\]]*)\]")
_ANY = "[...]"
"""How the library writes that a value of a mapping is meant."""

_FIELD = re.compile(r"(?P<kind>unknown|missing required) field `(?P<name>.*)`$", re.DOTALL)
_WRONG_KIND = re.compile(r"Expected `(?P<kinds>[a-z0-9 |]+)`, got `\w+`$")
_LENGTH = re.compile(r"Expected `(?P<kind>\w+)` of length (?P<bound>>=|<=) (?P<length>\d+)$")
_RANGE = re.compile(r"Expected `(?P<kind>int|float)` (?P<bound>>=|<=|>|<) (?P<limit>\S+)$")
_PATTERN = re.compile(r"Expected `str` matching regex (?P<pattern>'.*'|\".*\")$", re.DOTALL)

NO_LIMIT = 2**31 - 1
"""What the contract allows at most where only the size of an engine's integers bounds a number."""

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_COUNTED = {"str": "character", "array": "entr", "object": "member"}
_BOUNDS = {">=": "{} or more", "<=": "{} or less", ">": "more than {}", "<": "less than {}"}

PATTERNS = (
    ("[0-9a-fA-F]{4}-", "a UUID"),
    ("{64}", "a SHA-256: 64 hexadecimal digits"),
    ("https?://", "an address that begins with http:// or https://"),
    ("{16,256}", "16 to 256 letters, digits or characters of . _ ~ + / = -"),
    ("._-]{0,63}", "a name of at most 64 letters, digits or characters of . _ -, with a letter or digit first"),
    (r"_.:\[\]-]{0,79}", "a device's name, such as CUDA0"),
)
"""Parts of the contract's patterns, and what a text that matches is."""


class Misfit(NamedTuple):
    """What does not fit.

    Attributes:
        subject: the parameter as people write it, such as `stop[0]`.
        predicate: what it must be, with a full stop.
        path: JSONPath of the member itself, also where it is unknown or missing.
    """

    subject: str
    predicate: str
    path: str

    @property
    def sentence(self) -> str:
        """Subject and predicate."""
        return f"{self.subject} {self.predicate}"


class _Place(NamedTuple):
    """A type that a value at some path may have, and what bounds it."""

    type: Any
    bounds: tuple[msgspec.Meta, ...]


def invalid_params(error: msgspec.ValidationError, expected: Any = None, *, method: str = "") -> InvalidParams:
    """The error that a host gets.

    Args:
        error: the library's.
        expected: the type that was converted to, where it is known; without it some sentences say less.
        method: whose parameters they are.
    """
    found = misfit(error, expected, method=method)
    return InvalidParams(found.sentence, path=found.path)


def misfit(error: msgspec.ValidationError, expected: Any = None, *, method: str = "") -> Misfit:
    """What is wrong, by the library's error. The arguments are those of `invalid_params`."""
    text, path, of_key = str(error), "$", False
    if at := _PATH.search(text):
        text, path, of_key = text[: at.start()], at["path"], at["key"] is not None
    places = list(_at(expected, path)) if expected is not None else []
    if field := _FIELD.search(text):
        return _of_member(field["kind"] == "unknown", field["name"], path, places, method)
    subject = f"A value in {_subject(path[: -len(_ANY)])}" if path.endswith(_ANY) else _subject(path) or "The value"
    if of_key:
        return Misfit(f"A key of {subject}", f"{_predicate(text, [])}.", _legible(path))
    return Misfit(subject, f"{_predicate(text, places)}.", _legible(path))


def _of_member(unknown: bool, name: str, path: str, places: Sequence[_Place], method: str) -> Misfit:
    import difflib  # not at each start

    name = _legible(name)
    here = _subject(path)
    whole = _legible(f"{path}.{name}")
    if not unknown:
        return Misfit(f"{here}.{name}" if here else name, "is missing.", whole)
    known = [field.encode_name for place in places for field in _fields(place.type)]
    close = difflib.get_close_matches(name, known, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    if here:
        return Misfit(name, f"is no member of {here}.{meant}", whole)
    return Misfit(name, f"is no parameter of {method}.{meant}" if method else f"is unknown.{meant}", whole)


def _predicate(text: str, places: Sequence[_Place]) -> str:
    """What the value must be, without a full stop."""
    if kinds := _WRONG_KIND.match(text):
        names = [kind for kind in kinds["kinds"].split(" | ") if kind in _KINDS]
        needed = [kind for kind in names if kind != "null"] or names
        return f"must be {_either([_KINDS[kind] for kind in needed])}"
    if length := _LENGTH.match(text):
        return _of_length(length["kind"], length["bound"], int(length["length"]))
    if bound := _RANGE.match(text):
        return _in_range(bound["bound"], bound["limit"], places)
    if pattern := _PATTERN.match(text):
        meanings = [meaning for part, meaning in PATTERNS if part in pattern["pattern"].replace("\\\\", "\\")]
        return f"must be {meanings[0]}" if meanings else "has another form than is needed"
    if text.startswith(("Invalid enum value", "Invalid value")):
        return _among(text, places)
    if "out of range" in text:
        return "is out of range"
    return f"is not valid: {_legible(text)}"


def _of_length(kind: str, bound: str, length: int) -> str:
    if bound == ">=" and length == 1:
        return "must not be empty"
    noun = _COUNTED.get(kind, "entr")
    ending = ("y" if length == 1 else "ies") if noun == "entr" else "" if length == 1 else "s"
    return f"must have {'at least' if bound == '>=' else 'at most'} {length} {noun}{ending}"


def _in_range(bound: str, limit: str, places: Sequence[_Place]) -> str:
    for meta in (meta for place in places for meta in place.bounds):
        if meta.ge is not None and meta.le is not None and (bound == "<=" or meta.le < NO_LIMIT):
            return f"must be between {_figure(meta.ge)} and {_figure(meta.le)}"
    return f"must be {_BOUNDS[bound].format(_figure(float(limit)))}"


def _figure(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)


def _among(text: str, places: Sequence[_Place]) -> str:
    values = [str(value) for place in places for value in _values(place.type)]
    if not values:
        return f"has an unknown value: {_legible(text.partition('value ')[2])}"
    quoted = [f'"{value}"' for value in dict.fromkeys(values)]
    return f"must be {quoted[0]}" if len(quoted) == 1 else f"must be one of {', '.join(quoted)}"


def _at(expected: Any, path: str) -> Iterator[_Place]:
    """The types that a value at a path may have."""
    places = list(_members(expected, ()))
    for step in _STEP.finditer(path):
        places = [member for place in places for member in _step(place.type, step["name"])]
    return iter(places)


def _step(kind: Any, name: str | None) -> Iterator[_Place]:
    """The types of a member by its name, or of an entry."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is dict:
        yield from _members(arguments[1], ())
    elif name is None and arguments:
        for argument in arguments:
            yield from _members(argument, ())
    elif name is not None and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind.__struct_config__.tag_field == name:
            yield _Place(Literal[kind.__struct_config__.tag], ())
        for field in _fields(kind):
            if field.encode_name == name:
                yield from _members(field.type, ())


def _members(kind: Any, bounds: tuple[msgspec.Meta, ...]) -> Iterator[_Place]:
    """The types of a union, with the bounds that hold for each."""
    origin = get_origin(kind)
    if origin is Annotated:
        base, *extra = get_args(kind)
        yield from _members(base, (*bounds, *(meta for meta in extra if isinstance(meta, msgspec.Meta))))
    elif origin in (Union, UnionType):
        for member in get_args(kind):
            yield from _members(member, bounds)
    elif kind is not NoneType and not isinstance(kind, TypeVar):
        yield _Place(kind, bounds)


@cache  # the contract's types: their annotations are texts, which take milliseconds to read
def _fields(kind: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind) if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else ()


def _values(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _subject(path: str) -> str:
    """A path as people write it."""
    return _legible(path.removeprefix("$").removeprefix("."))


def _either(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _legible(text: str) -> str:
    return legible(text, max_characters=MAX_PATH_CHARACTERS)
