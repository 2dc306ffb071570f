package sqliteindex

import (
	"encoding/binary"
	"errors"
	"math"

	"signpost.internal/services/rag-service/internal/bm25"
)

// encodeSparse lays a vector out as pairs of 32-bit identifier and value, little endian.
func encodeSparse(v bm25.Vector) []byte {
	out := make([]byte, 0, 8*len(v.IDs))
	for i, id := range v.IDs {
		out = binary.LittleEndian.AppendUint32(out, id)
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v.Values[i]))
	}
	return out
}

var errVector = errors.New("a chunk's vector is not a whole number of pairs")

func decodeSparse(b []byte) (bm25.Vector, error) {
	if len(b)%8 != 0 {
		return bm25.Vector{}, errVector
	}
	n := len(b) / 8
	v := bm25.Vector{IDs: make([]uint32, n), Values: make([]float32, n)}
	for i := range n {
		v.IDs[i] = binary.LittleEndian.Uint32(b[8*i:])
		v.Values[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[8*i+4:]))
	}
	return v, nil
}

// encodeDense lays a vector out as 32-bit values, little endian.
func encodeDense(v []float32) []byte {
	out := make([]byte, 0, 4*len(v))
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
	}
	return out
}

var errDense = errors.New("a chunk's embedding is not of its identity's dimension")

// decodeDense fills v.
func decodeDense(b []byte, v []float32) error {
	if len(b) != 4*len(v) {
		return errDense
	}
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return nil
}
