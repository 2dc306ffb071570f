package tinymodels

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readGGUF reads a file back, by the format's description and not by the
// writer's code. It refuses what the writer never makes.
func readGGUF(b []byte) (g *gguf, err error) {
	d := &decoder{b: b}
	defer func() {
		if reason := recover(); reason != nil {
			broken, ok := reason.(unreadable)
			if !ok {
				panic(reason)
			}
			g, err = nil, broken
		}
	}()
	if string(d.take(4)) != "GGUF" || d.uint32() != 3 {
		return nil, fmt.Errorf("not GGUF version 3")
	}
	tensors, entries := d.length(), d.length()
	g = &gguf{}
	for range entries {
		g.entries = append(g.entries, entry{d.string(), d.value()})
	}
	var offsets []int
	for range tensors {
		t := tensor{name: d.string()}
		for range d.uint32() {
			t.shape = append(t.shape, d.length())
		}
		if d.uint32() != 0 {
			return nil, fmt.Errorf("%s: not 32-bit floats", t.name)
		}
		g.tensors = append(g.tensors, t)
		offsets = append(offsets, d.length())
	}
	start := (d.at + 31) / 32 * 32
	for i := range g.tensors {
		t := &g.tensors[i]
		d.at = start + offsets[i]
		if d.at%32 != 0 || d.at > len(b) {
			return nil, fmt.Errorf("%s: its data begins at %d", t.name, d.at)
		}
		places := 1
		for _, n := range t.shape {
			if n != 0 && places > len(b)/n {
				return nil, errShort
			}
			places *= n
		}
		for range places {
			t.data = append(t.data, d.float32())
		}
	}
	return g, nil
}

// unreadable is why a file cannot be read.
type unreadable string

func (u unreadable) Error() string { return string(u) }

const (
	errShort unreadable = "the file ends too soon"
	errOdd   unreadable = "a type the writer never writes"
)

type decoder struct {
	b  []byte
	at int
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b)-d.at {
		panic(errShort)
	}
	d.at += n
	return d.b[d.at-n : d.at]
}

func (d *decoder) uint32() uint32   { return binary.LittleEndian.Uint32(d.take(4)) }
func (d *decoder) float32() float32 { return math.Float32frombits(d.uint32()) }
func (d *decoder) string() string   { return string(d.take(d.length())) }

func (d *decoder) length() int {
	n := binary.LittleEndian.Uint64(d.take(8))
	if n > uint64(len(d.b)) {
		panic(errShort)
	}
	return int(n)
}

func (d *decoder) value() any {
	switch d.uint32() {
	case 4:
		return d.uint32()
	case 6:
		return d.float32()
	case 7:
		return d.take(1)[0] != 0
	case 8:
		return d.string()
	case 9:
		switch kind, n := d.uint32(), d.length(); kind {
		case 5:
			return repeat(n, func() int32 { return int32(d.uint32()) })
		case 6:
			return repeat(n, d.float32)
		case 8:
			return repeat(n, d.string)
		}
	}
	panic(errOdd)
}

func repeat[T any](n int, read func() T) []T {
	values := []T{}
	for range n {
		values = append(values, read())
	}
	return values
}

// fileCmp compares files by their bits: NaN equals itself.
var fileCmp = cmp.Options{
	cmp.AllowUnexported(gguf{}, entry{}, tensor{}),
	cmp.Comparer(func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }),
}

func TestWriteToRoundTrip(t *testing.T) {
	written := &gguf{
		entries: []entry{
			{"a.number", uint32(7)},
			{"a.fraction", float32(-0.5)},
			{"yes", true},
			{"no", false},
			{"text", "£ and ▁"},
			{"numbers", []int32{-1, 0, 1 << 30}},
			{"fractions", []float32{0.25, 3}},
			{"texts", []string{"", "x"}},
			{"nothing", []string{}},
		},
		tensors: []tensor{
			{"row", []int{3}, []float32{1, 2, 3}},
			{"matrix", []int{2, 3}, []float32{1, 2, 3, 4, 5, 6}},
			{"cube", []int{1, 2, 2}, []float32{-1, 0, 1, 9}},
		},
	}
	var b bytes.Buffer
	n, err := written.WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	if n != int64(b.Len()) || n%32 != 0 {
		t.Errorf("said %d bytes, wrote %d; want the same, a multiple of 32", n, b.Len())
	}
	read, err := readGGUF(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(written, read, fileCmp); diff != "" {
		t.Errorf("read back something else (-written +read):\n%s", diff)
	}
}

// fullDisk takes n bytes and then no more.
type fullDisk struct{ n int }

func (f *fullDisk) Write(b []byte) (int, error) {
	if len(b) > f.n {
		return f.n, io.ErrShortWrite
	}
	f.n -= len(b)
	return len(b), nil
}

func TestWriteToFails(t *testing.T) {
	whole := &gguf{tensors: []tensor{zeros("t", 5000)}}
	for name, test := range map[string]struct {
		file *gguf
		to   io.Writer
	}{
		"a disk that is full":            {whole, &fullDisk{10000}},
		"a disk that is full at the end": {whole, &fullDisk{20000}},
		"a shape that is not the data's": {&gguf{tensors: []tensor{{"t", []int{2, 2}, []float32{1}}}}, io.Discard},
		"a value GGUF has no type for":   {&gguf{entries: []entry{{"k", 1.5}}}, io.Discard},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := test.file.WriteTo(test.to); err == nil {
				t.Error("no error")
			}
		})
	}
}

// FuzzGGUF holds that whatever file can be read is written back as it was
// read, and that no file makes the reader or writer panic.
func FuzzGGUF(f *testing.F) {
	var b bytes.Buffer
	small := &gguf{entries: []entry{{"k", []string{"v"}}, {"n", []int32{}}}, tensors: []tensor{ones("t", 2, 3)}}
	if _, err := small.WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("GGUF\x03\x00\x00\x00"))
	f.Add(b.Bytes()[:40])
	f.Fuzz(func(t *testing.T, file []byte) {
		read, err := readGGUF(file)
		if err != nil {
			return
		}
		var b bytes.Buffer
		if _, err := read.WriteTo(&b); err != nil {
			t.Fatalf("write what was read: %v", err)
		}
		again, err := readGGUF(b.Bytes())
		if err != nil {
			t.Fatalf("read what was written: %v", err)
		}
		if diff := cmp.Diff(read, again, fileCmp); diff != "" {
			t.Errorf("written otherwise than read (-read +again):\n%s", diff)
		}
	})
}
