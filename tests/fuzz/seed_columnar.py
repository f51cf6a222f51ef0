#!/usr/bin/env python3
"""Writes the seeds of fuzz_msgpack and fuzz_line_protocol. Run it from anywhere."""
import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / 'corpus'


def text(value):
    raw = value.encode()
    return bytes([0xa0 | len(raw)]) + raw if len(raw) < 32 else b'\xd9' + bytes([len(raw)]) + raw


def array(*values):
    return bytes([0x90 | len(values)]) + b''.join(values)


def request(**columns):
    body = b''.join(text(name) + values for name, values in columns.items())
    return b'\x82' + text('m') + text('cpu') + text('columns') + bytes([0x80 | len(columns)]) + body


def mapping(**values):
    return bytes([0x80 | len(values)]) + b''.join(text(name) + value for name, value in values.items())


def row(measurement='cpu', **parts):
    return mapping(m=text(measurement) if isinstance(measurement, str) else measurement, **parts)


def i64(value):
    return b'\xd3' + struct.pack('>q', value)


def moment(seconds, ns=0):
    return b'\xc7\x0c\xff' + struct.pack('>Iq', ns, seconds)


def u64(value):
    return b'\xcf' + struct.pack('>Q', value)


def f64(value):
    return b'\xcb' + struct.pack('>d', value)


MSGPACK = {
    'all_types': request(time=array(u64(1700000000000001), i64(5), b'\x07'), host=array(text('a'), text('b' * 40), b'\xc0'),
                         value=array(f64(0.5), b'\xca\x3f\x00\x00\x00', b'\xc0'), flag=array(b'\xc3', b'\xc2', b'\xc0')),
    'integers': request(v=array(b'\x05', b'\xff', b'\xcc\xff', b'\xcd\x01\x00', b'\xce\0\0\0\1', b'\xd0\x80', b'\xd1\x80\0',
                                b'\xd2\x80\0\0\0', i64(-9), u64(9))),
    'widens': request(v=array(b'\xc0', i64(1), f64(2.5), i64(2)), u=array(i64(1), u64(2**64 - 1), b'\x01', b'\x02')),
    'clash': request(v=array(i64(2**53 + 1), f64(2.5))),
    'nanoseconds': request(time=array(i64(1700000000000000001), i64(-1700000000), i64(1700000000000))),
    'outside': request(time=array(i64(1700000000000000001), i64(9250000000000000))),
    'strings': request(s=array(text(''), b'\xd9\x02hi', b'\xda\0\2hi', b'\xdb\0\0\0\2hi', text('gr\u00fc\u00df'), text('\U0001f600'))),
    'not_utf8': request(s=array(b'\xa2\xc3\x28')),
    'long_arrays': request(v=b'\xdc\0\x14' + i64(7) * 20, w=b'\xdd\0\0\0\x14' + text('word') * 20),
    'skipped_key': b'\x83' + text('x') + b'\x82\x01\xc7\x02\x05ab' + text('k') + array(b'\xc4\1x', b'\xd4\1\2', b'\xde\0\1\1\2')
                   + request(v=array(b'\x01'))[1:],
    'no_rows': request(v=array()),
    'trailing': request(v=array(b'\x01')) + b'\xc0',
    'twice': request(v=array(b'\x01'))[:-4] + text('v') + array(b'\x01'),
    'lying': request(v=b'\xdd\xff\xff\xff\xff'),
    'binary': request(v=array(b'\xc4\2\0\xff', b'\xc0', b'\xc5\0\1x', b'\xc6\0\0\0\1y')),
    'timestamps': request(time=array(moment(5), i64(1700000000000), b'\xd6\xff\0\0\0\5'), v=array(moment(-1, 999999999), b'\xc0', b'\xd7\xff\0\0\0\4\0\0\0\1')),
    'timestamps_clash': request(v=array(moment(253402300799), moment(0, 1))),
    'timestamps_wrong': request(v=array(moment(0, 10**9))),
    'timestamps_outside': request(v=array(moment(-62135596801))),
    'timestamps_of_5_bytes': request(v=array(b'\xc7\5\xff12345')),
    'time_nil': request(time=array(moment(5), b'\xc0')),
    'row_timestamps': row(t=moment(5, 1), fields=mapping(v=moment(6), w=b'\xc4\1x')),
    'row_binary_tag': row(tags=mapping(v=b'\xc4\1x'), fields=mapping(v=b'\1')),
    'tag_keys': mapping(m=b'\x07', columns=mapping(host=array(text('a'), b'\xc0'), v=array(b'\1', b'\2')), tag_keys=array(text('host'), text('no'))),
    'tag_of_numbers': mapping(m=text('cpu'), columns=mapping(v=array(b'\1')), tag_keys=array(text('v'))),
    'row': row(t=i64(1700000000), h=text('a'), tags=mapping(rack=b'\5', on=b'\xc3', load=f64(0.5), big=u64(2**63), none=b'\xc0'),
               fields=mapping(f=f64(0.5), i=i64(-1), u=u64(2**63), b=b'\xc2', s=text('x'), n=b'\xc0', rack=b'\1')),
    'row_compact': row(b'\x2a', f=array(f64(1), text('x'), b'\xc0'), t=b'\xc0'),
    'row_host_twice': row(tags=mapping(host=text('b')), h=text('a'), fields=mapping(v=b'\1')),
    'row_host_nil': row(tags=mapping(host=text('b')), h=b'\xc0', fields=mapping(v=b'\1', host_value=b'\2')),
    'row_clash': row(tags=mapping(v=text('b')), fields=mapping(v=b'\1', v_value=b'\2')),
    'row_time_named': row(tags=mapping(time=text('b')), fields=mapping(v=b'\1')),
    'row_time_outside': row(t=i64(9250000000000000), fields=mapping(v=b'\1')),
    'row_time_float': row(t=f64(1), fields=mapping(v=b'\1')),
    'row_no_fields': row(t=b'\1', fields=mapping()),
    'row_fields_twice': row(fields=mapping(v=b'\1'), f=array(b'\1')),
    'row_unknown_key': row(fields=mapping(v=b'\1'), x=b'\1'),
    'row_no_measurement': mapping(fields=mapping(v=b'\1')),
    'row_binary': row(fields=mapping(v=b'\xd4\5x')),
    'row_not_utf8': row(fields=mapping(v=b'\xa2\xc3\x28')),
    'batch': mapping(batch=array(row(fields=mapping(v=b'\1')), request(time=array(b'\5', b'\6'), v=array(f64(1), b'\xc0'), on=array(b'\xc3', b'\xc2'), s=array(text('a'), b'\xc0')),
                                 row('mem', h=text('a'), fields=mapping(v=b'\1')), row(b'\7', f=array(u64(2**63))))),
    'batch_other_key': b'\x82' + text('batch') + array() + text('x') + b'\1',
    'batch_within': mapping(batch=array(mapping(batch=array()))),
    'batch_clash': array(row(fields=mapping(v=b'\1')), row(fields=mapping(v=text('a')))),
    'items': array(request(v=array()), row(fields=mapping(v=b'\1')), request(time=array(b'\1'), v=array(b'\1'))),
    'items_time_alone': array(request(time=array(b'\1'))),
    'items_time_outside': array(request(time=array(i64(9250000000000)), v=array(b'\1'))),
    'items_trailing': array() + b'\xc0',
    'items_nil': array(b'\xc0'),
}

LINES = {
    'plain': 'cpu,host=a,region=b value=1.5,count=3i,big=7u,up=t,text="x" 1700000000000000001\n',
    'escapes': 'a\\ b\\,c,t\\=1=v\\ w\\,x f\\ x="q\\"r\\\\s\\n" 5000\n',
    'comments': '# one\n\n  # two\r\nm f=1\r\n\tm f=2\n#',
    'newline_in_string': 'm f="two\nlines" 1\nm f="x",g=f\n',
    'bad_among_good': 'm f=1\nbad\nm,t= f=1\nm f=x,g="a\nm g=1"\nm f=2\n',
    'open_string': 'm f="open\nm f=2\nm f=3',
    'widening': 'm f=1i\nm f=2.5\nm g=1u\nm g=-1i\nm g=9223372036854775808u\n',
    'clash': 'm f=1\nm f="a"\nm,f=x g=1\nm g=t\n',
    'sparse': 'm a=1\nm b=2\nn,t=x c=3\nm,t=y a=4 7\n',
    'times': 'm f=1 -9223372036854775808\nm f=1 9223372036\nm f=1 1.5\nm f=1 5 6\n',
    'numbers': 'm a=.5,b=-1.,c=1e3,d=1E-400,e=00i,f=18446744073709551615u\nm a=1e400\nm a=NaN\nm a=0x1\n',
    'quotes': 'm,t="a f="b"\n"m" "f"=1\nm f="a"b\nm f=\'a\'\n',
    'twice': 'm,a=1,a=2 f=1\nm f=1,f=2\nm,time=1 f=1\n',
}


def main():
    for name, seeds in (('msgpack', MSGPACK), ('line_protocol', {k: b'\0' + v.encode() for k, v in LINES.items()})):
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed, content in seeds.items():
            (folder / seed).write_bytes(content)
    folder = CORPUS / 'line_protocol'
    (folder / 'seconds').write_bytes(b'\3m f=1 1700000000\nm f=1 1700000000000\n')
    (folder / 'hours').write_bytes(b'\5m f=1 5\n')
    (folder / 'not_utf8').write_bytes(b'\0m f="\xff"\nm,t=\xc3\xbc f=1\nm\xed\xa0\x80 f=1\n')


if __name__ == '__main__':
    main()
