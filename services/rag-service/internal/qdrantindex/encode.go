package qdrantindex

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"

	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

// space is the namespace of all identifiers made from names.
var space = uuid.MustParse("5b0f4a0e-7f52-4d0e-9a55-5c1c4f6a2d11")

// identifier makes the same identifier of the same name each time.
func identifier(kind string, parts ...string) string {
	name := kind
	for _, p := range parts {
		name += "\x00" + p
	}
	return uuid.NewSHA1(space, []byte(name)).String()
}

// chunkID is the identifier of a chunk: it is known without a search.
func chunkID(edition string, position int) *qdrant.PointId {
	b := binary.LittleEndian.AppendUint64([]byte(edition), uint64(position))
	return qdrant.NewIDUUID(uuid.NewSHA1(space, b).String())
}

// The fields of a chunk's payload.
const (
	fieldEdition  = "edition" // the only one that is indexed
	fieldPosition = "position"
	fieldPage     = "page"
	fieldBoxes    = "boxes"
	fieldHeadings = "headings"
	fieldText     = "text"
	fieldAliases  = "aliases"
	fieldContents = "contents"
)

// The names of a chunk's vectors.
const (
	dense  = "dense"
	sparse = "bm25"
)

func payload(edition string, c rag.Chunk) map[string]*qdrant.Value {
	headings := make([]*qdrant.Value, len(c.Headings))
	for i, h := range c.Headings {
		headings[i] = qdrant.NewValueString(h)
	}
	var boxes []*qdrant.Value
	for _, b := range c.Boxes {
		for _, v := range []float64{b.Left, b.Top, b.Right, b.Bottom} {
			boxes = append(boxes, qdrant.NewValueDouble(v))
		}
	}
	return map[string]*qdrant.Value{
		fieldEdition:  qdrant.NewValueString(edition),
		fieldPosition: qdrant.NewValueInt(int64(c.Position)),
		fieldPage:     qdrant.NewValueInt(int64(c.Page)),
		fieldBoxes:    qdrant.NewValueFromList(boxes...),
		fieldHeadings: qdrant.NewValueFromList(headings...),
		fieldText:     qdrant.NewValueString(c.Text),
		fieldAliases:  qdrant.NewValueString(c.Aliases),
		fieldContents: qdrant.NewValueBool(c.Contents),
	}
}

// decode is the reverse of payload. Chunks of Qdrant have no vectors here.
func decode(p map[string]*qdrant.Value) (edition string, c rag.Chunk) {
	c = rag.Chunk{
		Position: int(p[fieldPosition].GetIntegerValue()),
		Page:     int(p[fieldPage].GetIntegerValue()),
		Text:     p[fieldText].GetStringValue(),
		Aliases:  p[fieldAliases].GetStringValue(),
		Contents: p[fieldContents].GetBoolValue(),
	}
	for _, h := range p[fieldHeadings].GetListValue().GetValues() {
		c.Headings = append(c.Headings, h.GetStringValue())
	}
	sides := p[fieldBoxes].GetListValue().GetValues()
	for i := 0; i+3 < len(sides); i += 4 {
		c.Boxes = append(c.Boxes, rag.Box{
			Left: sides[i].GetDoubleValue(), Top: sides[i+1].GetDoubleValue(),
			Right: sides[i+2].GetDoubleValue(), Bottom: sides[i+3].GetDoubleValue(),
		})
	}
	return p[fieldEdition].GetStringValue(), c
}

func vectors(words bm25.Vector, meaning []float32) *qdrant.Vectors {
	named := map[string]*qdrant.Vector{}
	if len(words.IDs) > 0 {
		named[sparse] = qdrant.NewVectorSparse(words.IDs, words.Values)
	}
	if meaning != nil {
		named[dense] = qdrant.NewVectorDense(meaning)
	}
	return qdrant.NewVectorsMap(named)
}

// terms counts in how many chunks of a document each term stands. They are kept
// beside the document, so that the frequency of a term in a collection is known
// to be exact without asking for it: Qdrant's own counts what was replaced too,
// for a while, and shard by shard.
type terms map[uint32]int

func termsOf(d rag.Document) terms {
	t := terms{}
	for _, c := range d.Chunks {
		for _, id := range c.Sparse.IDs {
			t[id]++
		}
	}
	return t
}

// encode writes ascending identifiers as differences, each followed by its count.
func (t terms) encode() string {
	var b []byte
	var last uint32
	for _, id := range slices.SortedFunc(maps.Keys(t), cmp.Compare[uint32]) {
		b = binary.AppendUvarint(b, uint64(id-last))
		b = binary.AppendUvarint(b, uint64(t[id]))
		last = id
	}
	return base64.RawStdEncoding.EncodeToString(b)
}

var errTerms = errors.New("a document's list of terms is not readable")

// decodeTerms calls each with every term of the text and its count.
func decodeTerms(text string, each func(id uint32, count int)) error {
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return errTerms
	}
	var id uint64
	for len(b) > 0 {
		step, n := binary.Uvarint(b)
		if n <= 0 {
			return errTerms
		}
		b = b[n:]
		count, n := binary.Uvarint(b)
		if n <= 0 || count == 0 || count > 1<<31 {
			return errTerms
		}
		b = b[n:]
		if id += step; step > 1<<32 || id > 1<<32-1 {
			return errTerms
		}
		each(uint32(id), int(count))
	}
	return nil
}
