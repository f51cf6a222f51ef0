#!/usr/bin/env python3
"""Writes the seeds of fuzz_kafka_request: every golden message behind a request header, and what
clients sent. Run it from anywhere after golden.txt or captured.txt has changed."""
import pathlib
import struct

ROOT = pathlib.Path(__file__).resolve().parents[2]
MESSAGES = ROOT / 'src/kafka/protocol'
CORPUS = ROOT / 'tests/fuzz/corpus/kafka_request'
KEYS = {'Produce': (0, 9), 'Fetch': (1, 12), 'ListOffsets': (2, 6), 'Metadata': (3, 9), 'FindCoordinator': (10, 3),
        'ApiVersions': (18, 3), 'CreateTopics': (19, 5), 'DeleteTopics': (20, 4), 'DeleteRecords': (21, 2)}


def lines(name):
    for line in (MESSAGES / name).read_text().splitlines():
        if line and not line.startswith('#'):
            words = line.split(' ')
            yield words[:3], bytes.fromhex(words[3])


def main():
    CORPUS.mkdir(parents=True, exist_ok=True)
    for (api, kind, version), body in lines('golden.txt'):
        key, first_flexible = KEYS[api]
        header = struct.pack('>hhih', key, int(version), 1, -1)
        header += b'\0' if int(version) >= first_flexible else b''
        (CORPUS / f'{api}_{kind}_{version}').write_bytes(header + body)
    for (client, api, version), frame in lines('captured.txt'):
        (CORPUS / f'{client}_{api}_{version}').write_bytes(frame)


if __name__ == '__main__':
    main()
