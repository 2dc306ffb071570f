package bm25_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/services/rag-service/internal/bm25"
)

// The first identifiers are published test vectors of MurmurHash3_x86_32 with
// seed 0; the others come from the hash written out once more from its definition.
func TestTermID(t *testing.T) {
	tests := []struct {
		stem string
		want uint32
	}{
		{"", 0},
		{"hello", 0x248bfa47},
		{"The quick brown fox jumps over the lazy dog", 0x2e4ff723},
	}
	for _, tt := range tests {
		if got := bm25.TermID(tt.stem); got != tt.want {
			t.Errorf("TermID(%q) = %#x, want %#x", tt.stem, got, tt.want)
		}
	}
	for _, stem := range []string{"debt", "relief", "a", "ab", "abc", "abcd", "abcde", "£", "ŵyn", strings.Repeat("x", 70)} {
		if got, want := bm25.TermID(stem), reference(stem); got != want {
			t.Errorf("TermID(%q) = %d, want %d", stem, got, want)
		}
	}
}

// reference is the hash as its definition has it, and the absolute value of the
// signed result.
func reference(s string) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	rotate := func(x uint32, n uint) uint32 { return x<<n | x>>(32-n) }
	var h uint32
	b := []byte(s)
	for len(b) >= 4 {
		k := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		h = rotate(h^rotate(k*c1, 15)*c2, 13)*5 + 0xe6546b64
		b = b[4:]
	}
	var k uint32
	for i, c := range b {
		k |= uint32(c) << (8 * uint(i))
	}
	if len(b) > 0 {
		h ^= rotate(k*c1, 15) * c2
	}
	h ^= uint32(len(s))
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	h ^= h >> 16
	return uint32(math.Abs(float64(int32(h))))
}

func TestTokens(t *testing.T) {
	a := bm25.NewAnalyzer()
	tests := []struct {
		text string
		want []string // stems
	}{
		{"", nil},
		{"the and of", nil},
		{"Creditors' petitions", []string{"creditor", "petit"}},
		{"£1,500.00 by 28 June", []string{"1", "500", "00", "28", "june"}},
		{"Don't pay", []string{"pay"}},
		{"benefit benefits BENEFIT", []string{"benefit", "benefit", "benefit"}},
	}
	for _, tt := range tests {
		var got, want []uint32
		for _, token := range a.Tokens(tt.text) {
			got = append(got, token.ID)
		}
		for _, stem := range tt.want {
			want = append(want, bm25.TermID(stem))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Tokens(%q) (-want +got):\n%s", tt.text, diff)
		}
	}
	positions := a.Tokens("the debt of the client")
	if positions[0].Position != 1 || positions[1].Position != 4 {
		t.Errorf("positions %v, want 1 and 4", positions)
	}
}

func TestDocumentIsQdrantsFormula(t *testing.T) {
	a := bm25.NewAnalyzer()
	// "the" is a stop word: four terms are left, "debt" twice.
	v := a.Document(bm25.Field{Text: "The debt, the debt relief order", Weight: 1})
	// k = 1.2, b = 0.75, average length 120, length 4:
	// 1 - b + b*4/120 = 0.275; k times that = 0.33.
	// n = 1: 1*2.2/(0.33+1) = 1.654135...; n = 2: 2*2.2/(0.33+2) = 1.888412...
	want := map[uint32]float64{
		bm25.TermID("debt"): 4.4 / 2.33, bm25.TermID("relief"): 2.2 / 1.33, bm25.TermID("order"): 2.2 / 1.33,
	}
	if len(v.IDs) != len(want) || !slices.IsSorted(v.IDs) {
		t.Fatalf("identifiers %v, want the %d ascending ones of %v", v.IDs, len(want), want)
	}
	for i, id := range v.IDs {
		if math.Abs(float64(v.Values[i])-want[id]) > 1e-6 {
			t.Errorf("value of %d is %v, want %v", id, v.Values[i], want[id])
		}
	}
}

func TestWeightsCountAsWords(t *testing.T) {
	a := bm25.NewAnalyzer()
	weighted := a.Document(bm25.Field{Text: "rent", Weight: 2}, bm25.Field{Text: "arrears", Weight: 1})
	written := a.Document(bm25.Field{Text: "rent rent arrears", Weight: 1})
	if diff := cmp.Diff(written, weighted); diff != "" {
		t.Errorf("a weight of 2 differs from writing the word twice (-want +got):\n%s", diff)
	}
}

func TestIDF(t *testing.T) {
	// ln((10 - 2 + 0.5) / (2 + 0.5) + 1) = ln 4.4
	if got, want := bm25.IDF(10, 2), math.Log(4.4); math.Abs(got-want) > 1e-12 {
		t.Errorf("IDF(10, 2) = %v, want %v", got, want)
	}
	if bm25.IDF(10, 10) <= 0 {
		t.Error("a word of every document has no weight at all")
	}
}

func TestAnalyzerForgetsRatherThanGrows(t *testing.T) {
	a := bm25.NewAnalyzer()
	before := a.ID("debts")
	for i := range 100_001 {
		a.ID("w" + string(rune('a'+i%26)) + strings.Repeat("z", i%17) + string(rune(0x4e00+i/26)))
	}
	if got := a.ID("debts"); got != before {
		t.Errorf("the identifier changed from %d to %d", before, got)
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("The client's £1,500 debt")
	f.Add("\xff\xfe ligature \ufb01 İstanbul")
	a := bm25.NewAnalyzer()
	f.Fuzz(func(t *testing.T, text string) {
		last := -1
		for _, token := range a.Tokens(text) {
			if token.Position <= last {
				t.Fatalf("position %d after %d", token.Position, last)
			}
			last = token.Position
		}
		v := a.Document(bm25.Field{Text: text, Weight: 1})
		if len(v.IDs) != len(v.Values) || !slices.IsSorted(v.IDs) {
			t.Fatalf("not a vector: %v", v)
		}
	})
}
