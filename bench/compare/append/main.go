// Command append does one of the loops by which Go programs append records to a file, and times it:
// the peer of `millrace bench append`. One case an invocation; run.py runs them all.
//
// usage: append -method NAME [-buffer BYTES] -record BYTES -records N [-dir DIR] [-sync end|none]
//
//	write         one write(2) a record
//	buffered      bufio.Writer, which fills its buffer exactly and splits records to do so
//	page_aligned  a buffer behind a mutex, written out whole when the next record does not fit;
//	              a record larger than the buffer is written through
//	mapped        the file gets its size and is mapped before the clock starts; a copy a record,
//	              behind a mutex
//
// The clock starts when the file is open and its buffer is there. It covers all records, the last
// flush and, with -sync end, one fsync (mapped: one msync with MS_SYNC), and stops before the file
// is closed and removed. Prints one JSON line; a megabyte is 2^20 bytes of records.
//
// Exit codes: 0 done, 1 failed (the reason is on standard error), 2 wrong usage, 130 interrupted.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

type options struct {
	method  string
	buffer  int // bytes; 0 for the methods without a buffer
	record  int // bytes
	records int
	dir     string
	policy  string // end or none
}

// result is the line that is printed; the names are those of `millrace bench append --json`.
type result struct {
	Method             string  `json:"method"`
	BufferBytes        int     `json:"buffer_bytes"`
	RecordBytes        int     `json:"record_bytes"`
	Records            int     `json:"records"`
	Policy             string  `json:"policy"`
	Seconds            float64 `json:"seconds"`
	MegabytesPerSecond float64 `json:"megabytes_per_second"`
}

// prepared is a case that is ready to be timed. Each loop names its own concrete types: an interface
// between the loop and the writer would cost small records a call that real programs do not make.
type prepared struct {
	appendAll func() error // all records and the last flush
	sync      func() error
	release   func() error // after the clock, before the file is closed
}

func nothing() error { return nil }

func prepareWrite(file *os.File, o options, record []byte) prepared {
	return prepared{
		appendAll: func() error {
			for i := 0; i < o.records; i++ {
				if _, err := file.Write(record); err != nil {
					return err
				}
			}
			return nil
		},
		sync:    file.Sync,
		release: nothing,
	}
}

func prepareBuffered(file *os.File, o options, record []byte) prepared {
	writer := bufio.NewWriterSize(file, o.buffer)
	return prepared{
		appendAll: func() error {
			for i := 0; i < o.records; i++ {
				if _, err := writer.Write(record); err != nil {
					return err
				}
			}
			return writer.Flush()
		},
		sync:    file.Sync,
		release: nothing,
	}
}

// pageBuffer collects whole records and writes them out together; safe for many goroutines.
type pageBuffer struct {
	mutex  sync.Mutex
	file   *os.File
	buffer []byte // its capacity never changes
}

func (p *pageBuffer) append(record []byte) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if len(p.buffer)+len(record) > cap(p.buffer) {
		if err := p.writeOut(); err != nil {
			return err
		}
		if len(record) > cap(p.buffer) {
			_, err := p.file.Write(record)
			return err
		}
	}
	p.buffer = append(p.buffer, record...)
	return nil
}

func (p *pageBuffer) flush() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.writeOut()
}

// writeOut needs the mutex held.
func (p *pageBuffer) writeOut() error {
	if len(p.buffer) == 0 {
		return nil
	}
	_, err := p.file.Write(p.buffer)
	p.buffer = p.buffer[:0]
	return err
}

func preparePageAligned(file *os.File, o options, record []byte) prepared {
	writer := &pageBuffer{file: file, buffer: make([]byte, 0, o.buffer)}
	return prepared{
		appendAll: func() error {
			for i := 0; i < o.records; i++ {
				if err := writer.append(record); err != nil {
					return err
				}
			}
			return writer.flush()
		},
		sync:    file.Sync,
		release: nothing,
	}
}

// mapping is a file of its full size in memory; safe for many goroutines.
type mapping struct {
	mutex    sync.Mutex
	memory   []byte
	position int
}

func (m *mapping) append(record []byte) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if len(record) > len(m.memory)-m.position {
		return fmt.Errorf("the mapping of %d bytes is full", len(m.memory))
	}
	m.position += copy(m.memory[m.position:], record)
	return nil
}

func (m *mapping) sync() error {
	start := uintptr(unsafe.Pointer(&m.memory[0]))
	_, _, number := syscall.Syscall(syscall.SYS_MSYNC, start, uintptr(len(m.memory)), syscall.MS_SYNC)
	if number != 0 {
		return os.NewSyscallError("msync", number)
	}
	return nil
}

func prepareMapped(file *os.File, o options, record []byte) (prepared, error) {
	size := o.record * o.records
	if err := file.Truncate(int64(size)); err != nil {
		return prepared{}, err
	}
	memory, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return prepared{}, os.NewSyscallError("mmap", err)
	}
	m := &mapping{memory: memory}
	return prepared{
		appendAll: func() error {
			for i := 0; i < o.records; i++ {
				if err := m.append(record); err != nil {
					return err
				}
			}
			return nil
		},
		sync:    m.sync,
		release: func() error { return os.NewSyscallError("munmap", syscall.Munmap(memory)) },
	}, nil
}

func prepare(file *os.File, o options, record []byte) (prepared, error) {
	switch o.method {
	case "write":
		return prepareWrite(file, o, record), nil
	case "buffered":
		return prepareBuffered(file, o, record), nil
	case "page_aligned":
		return preparePageAligned(file, o, record), nil
	default:
		return prepareMapped(file, o, record)
	}
}

// run does one case in a new file at path, and removes it.
func run(o options, path string) (taken time.Duration, err error) {
	record := make([]byte, o.record)
	for i := range record {
		record[i] = byte(i)
	}
	flags := os.O_CREATE | os.O_EXCL | os.O_WRONLY | os.O_APPEND
	if o.method == "mapped" {
		flags = os.O_CREATE | os.O_EXCL | os.O_RDWR // a mapping needs the right to read
	}
	file, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return 0, err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
		if removed := os.Remove(path); err == nil {
			err = removed
		}
	}()
	p, err := prepare(file, o, record)
	if err != nil {
		return 0, err
	}

	start := time.Now()
	err = p.appendAll()
	if err == nil && o.policy == "end" {
		err = p.sync()
	}
	taken = time.Since(start)

	if released := p.release(); err == nil {
		err = released
	}
	if err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if want := int64(o.record) * int64(o.records); info.Size() != want {
		return 0, fmt.Errorf("%s has %d bytes after the run, must have %d", path, info.Size(), want)
	}
	return taken, nil
}

// removeWhenInterrupted ends the process by a signal without leaving the file.
func removeWhenInterrupted(path string) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		os.Remove(path)
		os.Exit(130)
	}()
}

func parse() (options, error) {
	var o options
	flag.StringVar(&o.method, "method", "", "write, buffered, page_aligned or mapped")
	flag.IntVar(&o.buffer, "buffer", 0, "`bytes` of the buffer, for buffered and page_aligned")
	flag.IntVar(&o.record, "record", 0, "`bytes` of a record")
	flag.IntVar(&o.records, "records", 0, "how many records")
	flag.StringVar(&o.dir, "dir", ".", "the `folder` for the file")
	flag.StringVar(&o.policy, "sync", "end", "end: one sync after the last record; none: never synced")
	flag.Parse()
	if flag.NArg() > 0 {
		return o, fmt.Errorf("nothing is known of %q: every argument is a flag", flag.Arg(0))
	}
	switch o.method {
	case "write", "mapped":
		if o.buffer != 0 {
			return o, fmt.Errorf("-buffer %d: method %s has no buffer", o.buffer, o.method)
		}
	case "buffered", "page_aligned":
		if o.buffer <= 0 {
			return o, fmt.Errorf("-buffer %d: method %s needs at least 1 byte", o.buffer, o.method)
		}
	default:
		return o, fmt.Errorf("-method %q: must be write, buffered, page_aligned or mapped", o.method)
	}
	if o.record <= 0 || o.records <= 0 {
		return o, fmt.Errorf("-record %d -records %d: both must be at least 1", o.record, o.records)
	}
	if o.record > math.MaxInt/o.records {
		return o, fmt.Errorf("-record %d -records %d: more bytes than a file can have", o.record, o.records)
	}
	if o.policy != "end" && o.policy != "none" {
		return o, fmt.Errorf("-sync %q: must be end or none", o.policy)
	}
	return o, nil
}

func main() {
	o, err := parse()
	if err != nil {
		fmt.Fprintf(os.Stderr, "append: %v\nSee: append -help\n", err)
		os.Exit(2)
	}
	path := filepath.Join(o.dir, fmt.Sprintf("append-%d-%d.log", os.Getpid(), time.Now().UnixNano()))
	removeWhenInterrupted(path)
	taken, err := run(o, path)
	if err != nil {
		fmt.Fprintf(os.Stderr, "append: %v\n", err)
		os.Exit(1)
	}
	megabytes := float64(o.record) * float64(o.records) / (1 << 20)
	line, err := json.Marshal(result{
		Method:             o.method,
		BufferBytes:        o.buffer,
		RecordBytes:        o.record,
		Records:            o.records,
		Policy:             o.policy,
		Seconds:            taken.Seconds(),
		MegabytesPerSecond: megabytes / taken.Seconds(),
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "append: %v\n", err)
		os.Exit(1)
	}
	fmt.Println(string(line))
}
