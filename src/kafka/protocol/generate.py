#!/usr/bin/env python3
"""Makes C++ structs, encoders and decoders from one message file (schema.py). Runs at build time.

    generate.py messages/produce.msg OUTPUT_DIRECTORY   ->  produce.gen.h, produce.gen.cc
"""
import pathlib
import re
import sys

from schema import SCALARS, VARIABLE, condition, owner_versions, parse, smallest, structs


class Generator:
    def __init__(self, api):
        self.api = api
        self.out = []

    def line(self, depth=0, text=''):
        self.out.append('  ' * depth + text if text else '')

    def take(self):
        text, self.out = '\n'.join(self.out) + '\n', []
        return text

    # Structs

    def value_type(self, field, message):
        if field.type in SCALARS:
            return SCALARS[field.type][0]
        if field.type == 'string':
            return 'std::string_view' if message.kind == 'request' else 'std::string'
        if field.type == 'records':
            return 'RecordsView' if message.kind == 'request' else 'RecordsParts'
        return field.type

    def member(self, field, message):
        kind = self.value_type(field, message)
        if field.is_array:
            kind = f'std::vector<{kind}>'
        if field.null:
            return f'std::optional<{kind}> {field.name}'
        if field.is_array or field.type in VARIABLE or field.type == 'uuid' or field.is_struct:
            return f'{kind} {field.name}'
        return f'{kind} {field.name}{self.initializer(field)}'

    @staticmethod
    def initializer(field):
        default = field.default
        if field.type == 'error':
            return ' = ErrorCode::kNone'
        if default == '-2147483648':
            default = 'std::numeric_limits<int32_t>::min()'
        if field.type in ('offset', 'partition'):
            return f'{{{default}}}' if default else ''
        return f' = {default or ("false" if field.type == "bool" else "0")}'

    def struct(self, name, owner, message, depth):
        self.line(depth, f'struct {name} {{')
        if depth == 0:
            self.line(1, f'static constexpr std::string_view kName = "{self.api.name} {message.kind}";')
            self.line(1, f'static constexpr ApiKey kApiKey = ApiKey::k{self.api.name};')
            self.line()
        for field in owner.fields:
            if field.is_struct:
                self.struct(field.type, field, message, depth + 1)
                self.line()
        for field in owner.fields:
            notes = [self.span(field)] if field.versions != owner_versions(owner, self.api) else []
            notes += [field.comment] if field.comment else []
            note = f'  // {"; ".join(notes)}' if notes else ''
            self.line(depth + 1, f'{self.member(field, message)};{note}')
        self.line()
        self.line(depth + 1, f'bool operator==(const {name}&) const = default;')
        self.line()
        self.visitor(owner, depth + 1)
        self.line(depth, '};')

    def span(self, field):
        first, last = field.versions
        return f'{first}+' if last == self.api.versions[1] else f'{first}-{last}'

    def visitor(self, owner, depth):
        """visit(self, version, visitor): visitor(name, member, may be null, is tagged) for each."""
        self.line(depth, 'template <typename Self, typename Visitor>')
        self.line(depth, 'static void visit(Self& self, [[maybe_unused]] int16_t version, Visitor&& visitor) {')
        for field in owner.fields:
            test = condition(field.versions, owner_versions(owner, self.api))
            null = condition(field.null, field.versions) or 'true' if field.null else 'false'
            tagged = 'true' if field.tag is not None else 'false'
            call = f'visitor("{field.name}", self.{field.name}, {null}, {tagged});'
            self.guarded(depth + 1, test, [call])
        self.line(depth, '}')

    def guarded(self, depth, test, lines):
        if test:
            self.line(depth, f'if ({test}) {{')
        for each in lines:
            self.line(depth + (1 if test else 0), each)
        if test:
            self.line(depth, '}')

    # Decoding

    def element_min(self, field):
        versions = range(field.versions[0], field.versions[1] + 1)
        return min(smallest(field, v, v >= self.api.flexible) for v in versions)

    @staticmethod
    def read_scalar(field):
        kind = SCALARS[field.type][0]
        return {'bool': 'in.u8() != 0', 'uuid': 'read_uuid(in)',
                'error': 'static_cast<ErrorCode>(in.be<int16_t>())',
                'offset': 'Offset{in.be<int64_t>()}',
                'partition': 'PartitionId{in.be<int32_t>()}'}.get(field.type, f'in.be<{kind}>()')

    def read_lines(self, field, message, target):
        owned = message.kind == 'response'
        null = condition(field.null, field.versions) if field.null else None
        if field.is_array:
            return self.read_array(field, message, target, null)
        if field.type == 'string':
            plain = 'read_string(in, flexible)'
            if field.null is None:
                return [f'{target} = {plain};']
            nullable = 'read_nullable_string(in, flexible)'
            if null:
                nullable = f'{null} ? {nullable} : std::optional({plain})'
            return [f'{target} = {"owned(" + nullable + ")" if owned else nullable};']
        if field.type == 'records':
            read = 'read_records(in, flexible)'
            return [f'{target} = {"owned(" + read + ")" if owned else read};']
        if field.is_struct:
            return [f'read(in, version, flexible, {target});']
        return [f'{target} = {self.read_scalar(field)};']

    def read_array(self, field, message, target, null):
        least = self.element_min(field)
        lines, vector = [], target
        if field.null is None:
            lines += [f'size_t left = read_length(in, flexible, {least});']
        else:
            read = f'read_nullable_length(in, flexible, {least})'
            if null:
                read = f'{null} ? {read} : std::optional(read_length(in, flexible, {least}))'
            lines += [f'const std::optional<size_t> length = {read};', 'size_t left = length.value_or(0);',
                      'if (length) {', f'  {target}.emplace();', '}']
            vector = f'(*{target})'
        body = ([f'read(in, version, flexible, {vector}.emplace_back());'] if field.is_struct else
                [f'{vector}.emplace_back({self.read_element(field)});'])
        if field.null is not None:
            lines += ['if (left != 0) {', f'  {target}->reserve(left);', '}']
        else:
            lines += [f'{vector}.reserve(left);']
        lines += ['for (; left != 0 && in.ok(); --left) {'] + ['  ' + each for each in body] + ['}']
        return ['{'] + ['  ' + each for each in lines] + ['}']

    def read_element(self, field):
        return 'read_string(in, flexible)' if field.type == 'string' else self.read_scalar(field)

    def reader(self, path, owner, message):
        self.line(0, f'void read(bytes::Reader& in, [[maybe_unused]] int16_t version, bool flexible, {path}& out) {{')
        versions = owner_versions(owner, self.api)
        for field in owner.fields:
            if field.tag is None:
                self.guarded(1, condition(field.versions, versions),
                             self.read_lines(field, message, 'out.' + field.name))
        self.line(1, 'if (flexible) {')
        self.read_tags([field for field in owner.fields if field.tag is not None], message)
        self.line(1, '}')
        self.line(0, '}')
        self.line()

    def read_tags(self, tagged, message):
        if not tagged:
            self.line(2, 'read_tags(in, [](uint32_t, bytes::Reader&) { return false; });')
            return
        self.line(2, 'read_tags(in, [&](uint32_t tag, [[maybe_unused]] bytes::Reader& value) {')
        for field in tagged:
            first = max(field.versions[0], self.api.flexible)
            test = condition((first, field.versions[1]), (self.api.flexible, self.api.versions[1]))
            self.line(3, f'if (tag == {field.tag}{" && " + test if test else ""}) {{')
            for each in self.read_lines(field, message, 'out.' + field.name):
                self.line(4, re.sub(r'\bin\b', 'value', each))
            self.line(4, 'return true;')
            self.line(3, '}')
        self.line(3, 'return false;')
        self.line(2, '});')

    # Encoding

    @staticmethod
    def write_scalar(field, value):
        return {'bool': f'out.boolean({value});', 'uuid': f'out.uuid({value});',
                'error': f'out.be(static_cast<int16_t>({value}));', 'offset': f'out.be({value}.value);',
                'partition': f'out.be({value}.value);'}.get(field.type, f'out.be({value});')

    def write_value(self, field, value):
        if field.type in VARIABLE:
            return f'out.{field.type}({value}, flexible);'
        if field.is_struct:
            return f'write(out, version, flexible, {value});'
        return self.write_scalar(field, value)

    def write_lines(self, field, source):
        value = f'*{source}' if field.null else source
        if field.is_array:
            size = f'{source}->size()' if field.null else f'{source}.size()'
            lines = [f'out.array_length({size}, flexible);', f'for (const auto& each : {value}) {{',
                     f'  {self.write_value(field, "each")}', '}']
        else:
            lines = [self.write_value(field, value)]
        if field.null is None:
            return lines
        null = condition(field.null, field.versions) or 'true'
        absent = 'out.null_records(flexible);' if field.type == 'records' else (
            f'out.null_{"array" if field.is_array else "string"}({null}, flexible);')
        return [f'if ({source}) {{'] + ['  ' + each for each in lines] + ['} else {', f'  {absent}', '}']

    def writer(self, path, owner):
        self.line(0, f'void write(Encoder& out, [[maybe_unused]] int16_t version, bool flexible, '
                     f'[[maybe_unused]] const {path}& in) {{')
        versions = owner_versions(owner, self.api)
        for field in owner.fields:
            if field.tag is None:
                self.guarded(1, condition(field.versions, versions), self.write_lines(field, 'in.' + field.name))
        self.line(1, 'if (flexible) {')
        tagged = sorted((field for field in owner.fields if field.tag is not None), key=lambda f: f.tag)
        self.write_tags(tagged, path)
        self.line(1, '}')
        self.line(0, '}')
        self.line()

    def write_tags(self, tagged, path):
        if not tagged:
            self.line(2, 'out.uvarint(0);')
            return
        self.line(2, f'static const {path} kDefault;')
        for field in tagged:
            test = condition(field.versions, self.api.versions)
            self.line(2, f'const bool has_{field.name} = {test + " && " if test else ""}'
                         f'in.{field.name} != kDefault.{field.name};')
        count = ' + '.join(f'uint32_t{{has_{field.name}}}' for field in tagged)
        self.line(2, f'out.uvarint({count});')
        for field in tagged:
            self.line(2, f'if (has_{field.name}) {{')
            self.line(3, 'Encoder value;')
            for each in self.write_lines(field, 'in.' + field.name):
                self.line(3, re.sub(r'\bout\b', 'value', each))
            self.line(3, f'out.tagged({field.tag}, value);')
            self.line(2, '}')

    # Files

    def header(self, stem):
        self.line(0, f'// Made by generate.py from {stem}.msg: do not edit.')
        for comment in self.api.comment:
            self.line(0, f'// {comment}')
        self.line(0, '#pragma once')
        self.line()
        for include in ('base/ids.h', 'kafka/protocol/error_code.h', 'kafka/protocol/versions.h',
                        'kafka/protocol/wire.h'):
            self.line(0, f'#include "{include}"')
        self.line()
        for include in ('limits', 'optional', 'string', 'string_view', 'vector'):
            self.line(0, f'#include <{include}>')
        self.line()
        self.line(0, 'namespace millrace::kafka {')
        self.line()
        for message in self.api.messages:
            if message.kind == 'request':
                self.line(0, '/// Texts and records are views: into the frame after decode(), else the caller\'s.')
            self.struct(message.type, message, message, 0)
            self.line()
        for message in self.api.messages:
            self.line(0, f'void decode(bytes::Reader& in, int16_t version, {message.type}& out);')
            self.line(0, f'void encode(Encoder& out, int16_t version, const {message.type}& in);')
        self.line()
        self.line(0, '}  // namespace millrace::kafka')
        return self.take()

    def source(self, stem):
        first, last = self.api.versions
        self.line(0, f'// Made by generate.py from {stem}.msg: do not edit.')
        self.line(0, f'#include "kafka/protocol/{stem}.gen.h"')
        self.line()
        self.line(0, '#include "kafka/protocol/owned.h"')
        self.line()
        self.line(0, 'namespace millrace::kafka {')
        self.line(0, 'namespace {')
        self.line()
        self.line(0, f'constexpr const ApiRange* kApi = find_api(ApiKey::k{self.api.name});')
        self.line(0, f'static_assert(kApi != nullptr && static_cast<int16_t>(kApi->key) == {self.api.key} && '
                     f'kApi->min_version == {first} && kApi->max_version == {last} && '
                     f'kApi->first_flexible == {self.api.flexible}, "versions.h and {stem}.msg differ");')
        self.line()
        for message in self.api.messages:
            for path, owner in structs(message):
                self.reader(path, owner, message)
                self.writer(path, owner)
        self.line(0, '}  // namespace')
        self.line()
        for message in self.api.messages:
            flexible = f'version >= {self.api.flexible}'
            self.line(0, f'void decode(bytes::Reader& in, int16_t version, {message.type}& out) {{')
            self.line(1, 'out = {};')
            self.line(1, f'read(in, version, {flexible}, out);')
            self.line(0, '}')
            self.line()
            self.line(0, f'void encode(Encoder& out, int16_t version, const {message.type}& in) {{')
            self.line(1, f'write(out, version, {flexible}, in);')
            self.line(0, '}')
            self.line()
        self.line(0, '}  // namespace millrace::kafka')
        return self.take()


def main():
    path, directory = map(pathlib.Path, sys.argv[1:3])
    generator = Generator(parse(path))
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f'{path.stem}.gen.h').write_text(generator.header(path.stem))
    (directory / f'{path.stem}.gen.cc').write_text(generator.source(path.stem))


if __name__ == '__main__':
    main()
