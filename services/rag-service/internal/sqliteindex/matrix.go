package sqliteindex

// blockRows is how many vectors lie in one block of a matrix: it grows by a
// block at a time and never copies what it holds.
const blockRows = 1024

// matrix holds a vector for each place that has one.
type matrix struct {
	dimension int
	blocks    [][]float32 // of blockRows vectors each
	filled    bitset      // places that have a vector
	count     int         // of them
}

func newMatrix(dimension int) *matrix { return &matrix{dimension: dimension} }

// row returns the space of a place's vector, and makes it when it is not there.
func (m *matrix) row(at int) []float32 {
	for len(m.blocks)*blockRows <= at {
		m.blocks = append(m.blocks, make([]float32, blockRows*m.dimension))
	}
	from := at % blockRows * m.dimension
	return m.blocks[at/blockRows][from : from+m.dimension : from+m.dimension]
}

// mark says that a place has a vector.
func (m *matrix) mark(at int) {
	if !m.filled.has(at) {
		m.filled.set(at)
		m.count++
	}
}

func (m *matrix) has(at int) bool { return m.filled.has(at) }

func (m *matrix) remove(at int) {
	if m.filled.has(at) {
		m.filled.clear(at)
		m.count--
	}
}

// compact moves the vectors to the places that place gives them, which are not
// higher than those they have and in the same order; n is how many places there are.
func (m *matrix) compact(place []int32, n int) {
	var filled bitset
	for at, to := range place {
		if to < 0 || !m.filled.has(at) {
			continue
		}
		copy(m.row(int(to)), m.row(at))
		filled.set(int(to))
	}
	m.filled = filled
	for keep := (n + blockRows - 1) / blockRows; len(m.blocks) > keep; {
		m.blocks[len(m.blocks)-1] = nil
		m.blocks = m.blocks[:len(m.blocks)-1]
	}
}

// bitset is a set of places.
type bitset []uint64

func (b bitset) has(at int) bool { return b.word(at/64)&(1<<(at%64)) != 0 }

// word returns the places from 64*n as bits.
func (b bitset) word(n int) uint64 {
	if n < len(b) {
		return b[n]
	}
	return 0
}

func (b *bitset) set(at int) {
	for len(*b) <= at/64 {
		*b = append(*b, 0)
	}
	(*b)[at/64] |= 1 << (at % 64)
}

func (b bitset) clear(at int) { b[at/64] &^= 1 << (at % 64) }
