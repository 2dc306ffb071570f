package tinymodels

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// GGUF version 3, as llama.cpp and Ollama read it. Everything is
// little-endian; a string is its length in bytes (uint64) and its bytes:
//
//	"GGUF" | version uint32 | tensors uint64 | entries uint64
//	entry   key string | type uint32 | value
//	        an array's value: element type uint32 | length uint64 | elements
//	tensor  name string | dimensions uint32 | each uint64 | type uint32 | offset uint64
//	data    each tensor at its offset from the start of the data
//
// The data and each tensor in it start at a multiple of 32 bytes. A shape
// names the length of a row first, then the number of rows. All our tensors
// are 32-bit floats.
const (
	ggufMagic     = "GGUF"
	ggufVersion   = 3
	ggufAlignment = 32

	typeUint32  = 4
	typeInt32   = 5
	typeFloat32 = 6
	typeBool    = 7
	typeString  = 8
	typeArray   = 9

	tensorFloat32 = 0
)

// A gguf is a model file: what is said about the model, and its weights.
type gguf struct {
	entries []entry
	tensors []tensor
}

// An entry's value is a uint32, float32, bool, string, or a slice of int32,
// float32 or string.
type entry struct {
	key   string
	value any
}

// A tensor holds one value for each place in its shape, row after row.
type tensor struct {
	name  string
	shape []int
	data  []float32
}

// WriteTo writes the file. It fails where w does, and where a tensor's shape
// and data disagree or an entry's value has a type not named above.
func (g *gguf) WriteTo(w io.Writer) (int64, error) {
	e := &encoder{w: bufio.NewWriter(w)}
	e.raw([]byte(ggufMagic))
	e.uint32(ggufVersion)
	e.uint64(len(g.tensors))
	e.uint64(len(g.entries))
	for _, entry := range g.entries {
		e.string(entry.key)
		e.value(entry)
	}
	offset := 0
	for _, t := range g.tensors {
		e.string(t.name)
		e.uint32(uint32(len(t.shape)))
		places := 1
		for _, n := range t.shape {
			e.uint64(n)
			places *= n
		}
		if places != len(t.data) {
			e.fail(fmt.Errorf("tensor %s: %d values for a shape of %d", t.name, len(t.data), places))
		}
		e.uint32(tensorFloat32)
		e.uint64(offset)
		offset = aligned(offset + 4*len(t.data))
	}
	for _, t := range g.tensors {
		e.pad()
		for _, v := range t.data {
			e.float32(v)
		}
	}
	e.pad()
	if e.err == nil {
		e.err = e.w.Flush()
	}
	return int64(e.n), e.err
}

// aligned is the first multiple of the alignment that is not less than n.
func aligned(n int) int {
	return (n + ggufAlignment - 1) / ggufAlignment * ggufAlignment
}

// An encoder writes GGUF's values, counts the bytes and keeps the first error.
type encoder struct {
	w   *bufio.Writer
	n   int
	err error
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *encoder) raw(b []byte) {
	if e.err != nil {
		return
	}
	n, err := e.w.Write(b)
	e.n += n
	e.err = err
}

func (e *encoder) uint32(v uint32)   { e.raw(binary.LittleEndian.AppendUint32(nil, v)) }
func (e *encoder) uint64(v int)      { e.raw(binary.LittleEndian.AppendUint64(nil, uint64(v))) }
func (e *encoder) float32(v float32) { e.uint32(math.Float32bits(v)) }
func (e *encoder) pad()              { e.raw(make([]byte, aligned(e.n)-e.n)) }

func (e *encoder) string(s string) {
	e.uint64(len(s))
	e.raw([]byte(s))
}

func (e *encoder) value(entry entry) {
	switch v := entry.value.(type) {
	case uint32:
		e.uint32(typeUint32)
		e.uint32(v)
	case float32:
		e.uint32(typeFloat32)
		e.float32(v)
	case bool:
		e.uint32(typeBool)
		if v {
			e.raw([]byte{1})
		} else {
			e.raw([]byte{0})
		}
	case string:
		e.uint32(typeString)
		e.string(v)
	case []int32:
		array(e, typeInt32, v, func(v int32) { e.uint32(uint32(v)) })
	case []float32:
		array(e, typeFloat32, v, e.float32)
	case []string:
		array(e, typeString, v, e.string)
	default:
		e.fail(fmt.Errorf("entry %s: no GGUF type for %T", entry.key, v))
	}
}

func array[T any](e *encoder, kind uint32, values []T, write func(T)) {
	e.uint32(typeArray)
	e.uint32(kind)
	e.uint64(len(values))
	for _, v := range values {
		write(v)
	}
}
