"""Reads message files.

A message file holds one API:

    # comment: what changed in which version, with its KIP
    api NAME KEY versions MIN-MAX flexible FIRST

    request
      FIELD  TYPE [VERSIONS] [tag N] [= DEFAULT]  # comment, kept in the C++
    response
      ...

TYPE is bool, int8, int16, int32, int64, uuid, string, records, error (int16), offset (int64),
partition (int32), a struct, or [] in front of one of them; struct fields follow, indented. `?` makes
it nullable, `?10+` from version 10 on. VERSIONS is `3+`, `3-5` or `3`; without it, all. Struct
fields count in the versions of their struct.
"""
import re

# DSL type -> (C++ type, wire width)
SCALARS = {
    'bool': ('bool', 1), 'int8': ('int8_t', 1), 'int16': ('int16_t', 2), 'int32': ('int32_t', 4),
    'int64': ('int64_t', 8), 'uuid': ('TopicId', 16), 'error': ('ErrorCode', 2),
    'offset': ('Offset', 8), 'partition': ('PartitionId', 4),
}
VARIABLE = ('string', 'records')
LINE = re.compile(r'(?P<name>\w+)\s+(?P<type>(\[\])?\w+)(?P<null>\?(\d+\+)?)?'
                  r'(\s+(?P<versions>\d+(\+|-\d+)?))?(\s+tag (?P<tag>\d+))?'
                  r'(\s+= (?P<default>\S+))?\s*(#\s*(?P<comment>.*))?')


class Field:
    def __init__(self, match, versions):
        self.name = match['name']
        self.is_array = match['type'].startswith('[]')
        self.type = match['type'].removeprefix('[]')
        self.versions = parse_versions(match['versions'], versions)
        self.null = parse_versions((match['null'] or '')[1:] or None, self.versions) if match['null'] else None
        self.tag = int(match['tag']) if match['tag'] else None
        self.default = match['default']
        self.comment = match['comment']
        self.fields = []

    @property
    def is_struct(self):
        return self.type not in SCALARS and self.type not in VARIABLE


class Message:
    def __init__(self, api, kind):
        self.api, self.kind, self.fields = api, kind, []
        self.type = api.name + kind.capitalize()


class Api:
    def __init__(self, name, key, versions, flexible, comment):
        self.name, self.key, self.versions, self.flexible = name, key, versions, flexible
        self.comment, self.messages = comment, []


def parse_versions(text, within):
    """(first, last) of '3+', '3-5' or '3', cut to what the surrounding versions allow."""
    if not text:
        return within
    first, _, last = text.partition('-')
    if text.endswith('+'):
        return max(int(text[:-1]), within[0]), within[1]
    return max(int(first), within[0]), min(int(last or first), within[1])


def parse(path):
    api, stack, comments = None, [], []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.strip()
        if not text:
            continue
        if text.startswith('#'):
            comments.append(text.lstrip('# '))
            continue
        head = re.fullmatch(r'api (\w+) (\d+) versions (\d+)-(\d+) flexible (\d+)', text)
        if head:
            name, *numbers = head.groups()
            key, first, last, flexible = map(int, numbers)
            api = Api(name, key, (first, last), flexible, comments)
            continue
        indent = len(line) - len(line.lstrip())
        if indent == 0 and text in ('request', 'response'):
            message = Message(api, text)
            api.messages.append(message)
            stack = [(0, message, api.versions)]
            continue
        match = LINE.fullmatch(text)
        if not match or not stack or indent == 0:
            raise SystemExit(f'{path}:{number}: not understood: {text}')
        while stack[-1][0] >= indent:
            stack.pop()
        _, parent, versions = stack[-1]
        field = Field(match, versions)
        if field.versions[0] > field.versions[1]:
            raise SystemExit(f'{path}:{number}: {field.name} is in no version')
        parent.fields.append(field)
        stack.append((indent, field, field.versions))
    return api


def condition(versions, within):
    """A C++ test of `version`, or '' when it holds in all versions of `within`."""
    first, last = versions
    tests = []
    if first > within[0]:
        tests.append(f'version >= {first}')
    if last < within[1]:
        tests.append(f'version <= {last}')
    return ' && '.join(tests)


def smallest(field, version, flexible):
    """Least bytes of one value (of one element, for an array's field) on the wire."""
    if not field.is_struct:
        return SCALARS[field.type][1] if field.type in SCALARS else (1 if flexible else
                                                                     2 if field.type == 'string' else 4)
    size = 1 if flexible else 0
    for each in field.fields:
        if each.tag is None and each.versions[0] <= version <= each.versions[1]:
            size += (1 if flexible else 4) if each.is_array else smallest(each, version, flexible)
    return size


def owner_versions(owner, api):
    return owner.versions if isinstance(owner, Field) else api.versions


def structs(message):
    """(C++ path, owner) of every struct of a message, the inner ones first."""
    def walk(path, owner):
        for field in owner.fields:
            if field.is_struct:
                yield from walk(f'{path}::{field.type}', field)
        yield path, owner
    return walk(message.type, message)
