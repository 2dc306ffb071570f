package tinymodels

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWrite(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	files, err := Write(first, Defaults())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Write(second, Defaults()); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Size > 1<<20 {
			t.Errorf("%s has %d bytes, want at most a megabyte", f.Name, f.Size)
		}
	}
	entries, err := os.ReadDir(first)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		a, errA := os.ReadFile(filepath.Join(first, e.Name()))
		b, errB := os.ReadFile(filepath.Join(second, e.Name()))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is not the same when written again (%v, %v)", e.Name(), errA, errB)
		}
		if strings.HasSuffix(e.Name(), ".gguf") {
			if _, err := readGGUF(a); err != nil {
				t.Errorf("%s cannot be read: %v", e.Name(), err)
			}
		}
	}
	want := []string{
		"babble.Modelfile", "babble.gguf",
		"llama3.2.Modelfile", "llama3.2.gguf",
		"llava-7b.Modelfile", "llava-7b.gguf", "llava-7b.tower.gguf",
		"nomic-embed-text.Modelfile", "nomic-embed-text.gguf",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile(files[3].Modelfile)
	if err != nil {
		t.Fatal(err)
	}
	modelfile := "FROM ./llava-7b.gguf\nFROM ./llava-7b.tower.gguf\n" +
		"TEMPLATE \"\"\"{{ range .Messages }}<|{{ .Role }}|>{{ .Content }}{{ end }}<|assistant|>\"\"\"\n" +
		"PARAMETER num_thread 1\n"
	if diff := cmp.Diff(modelfile, string(text)); diff != "" {
		t.Errorf("Modelfile (-want +got):\n%s", diff)
	}
}

func TestWriteNames(t *testing.T) {
	for name, model := range map[string]Model{
		"an empty reply":            {"silent", Chat{Context: 64}},
		"a reply of one byte":       {"short", Chat{Reply: "a", Context: 64}},
		"a JSON reply of one byte":  {"short", Chat{Reply: "Yes.", JSON: "1", Context: 64}},
		"a picture model's silence": {"blind", Vision{Chat{Context: 64}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Write(t.TempDir(), []Model{model})
			if err == nil || !strings.Contains(err.Error(), model.Name) {
				t.Errorf("error %v, want one that names the model", err)
			}
		})
	}
	if _, err := Write(filepath.Join(t.TempDir(), "missing"), Defaults()); err == nil {
		t.Error("wrote into a folder that is not there")
	}
}

// A chain must give back the reply, in pieces that are all different, or the
// model would lose its thread.
func TestChain(t *testing.T) {
	for _, reply := range []string{
		Reply, JSONReply, VisionReply, Babble(50),
		"the the the the the", "to be or not to be", " leading", "trailing ", "two  spaces", "\n\nlines\n",
		"Ffi ŵy £12", "{} {}", "a b a b a",
	} {
		v := newVocabulary()
		ids, err := v.chain(reply)
		if err != nil {
			t.Errorf("%q: %v", reply, err)
			continue
		}
		var said strings.Builder
		for _, id := range ids {
			said.WriteString(v.tokens[id])
		}
		if said.String() != v.encode(reply) {
			t.Errorf("%q is said as %q", reply, said.String())
		}
		if sorted := slices.Compact(slices.Sorted(slices.Values(v.tokens))); len(sorted) != len(v.tokens) {
			t.Errorf("%q: %d tokens, %d different ones", reply, len(v.tokens), len(sorted))
		}
	}
}

// GPT-2's mapping, at the places where it turns.
func TestVocabularyBytes(t *testing.T) {
	v := newVocabulary()
	for b, want := range map[byte]string{0: "Ā", '\n': "Ċ", ' ': "Ġ", '!': "!", '~': "~", 0x7f: "ġ", 0xa0: "ł", 0xa1: "¡", 0xad: "Ń", 0xae: "®", 0xff: "ÿ"} {
		if v.bytes[b] != want {
			t.Errorf("byte %#x is written %q, want %q", b, v.bytes[b], want)
		}
	}
}

// Whatever was said last, the piece that follows is ahead of all else by far,
// the JSON reply's start is next where the reply starts, and a string ends
// rather than hold what only chance favours.
func TestChatScores(t *testing.T) {
	alphabet := len(newVocabulary().tokens)
	for _, m := range Defaults() {
		if _, ok := m.Kind.(Embed); ok {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			parts, err := m.Kind.parts()
			if err != nil {
				t.Fatal(err)
			}
			tokens := parts[0].gguf.entry("tokenizer.ggml.tokens").([]string)
			state := parts[0].gguf.rows("token_embd.weight")
			output := parts[0].gguf.rows("output.weight")
			for after := range tokens {
				if tokens[after] != tokenAssistant && tokens[after] != `"` && after < alphabet {
					continue // nothing hangs on what follows it
				}
				scores := make([]float64, len(tokens))
				for i := range tokens {
					for j, x := range state[after] {
						scores[i] += float64(x * output[i][j])
					}
				}
				ranked := ranking(scores)
				best, second := ranked[0], ranked[1]
				if tokens[after] == `"` {
					if tokens[best] != `"` || scores[best]-scores[second] < 0.5*chatWidth {
						t.Errorf("a string does not end at once: %q with %v, %q with %v", tokens[best], scores[best], tokens[second], scores[second])
					}
					continue
				}
				if scores[best]-scores[second] < chatWidth {
					t.Errorf("after %q: %q with %v, too near %q with %v", tokens[after], tokens[best], scores[best], tokens[second], scores[second])
				}
				if chat, ok := m.Kind.(Chat); ok && chat.JSON != "" && tokens[after] == tokenAssistant &&
					(tokens[second] != `{"answer":` || scores[second] < jsonStart*chatWidth-1) {
					t.Errorf("the JSON reply's start is not second: %q with %v", tokens[second], scores[second])
				}
			}
		})
	}
}

func ranking(scores []float64) []int {
	ids := make([]int, len(scores))
	for i := range ids {
		ids[i] = i
	}
	slices.SortStableFunc(ids, func(a, b int) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return 0
	})
	return ids
}

func (g *gguf) entry(key string) any {
	for _, e := range g.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

func (g *gguf) rows(name string) [][]float32 {
	for _, t := range g.tensors {
		if t.name == name {
			return slices.Collect(slices.Chunk(t.data, t.shape[0]))
		}
	}
	return nil
}

// Every word's vector has no mean (the layer norm takes none away) and no two
// words of full weight are the same.
func TestEmbedVectors(t *testing.T) {
	parts, err := Embed{Words: []string{"rent", "arrears"}, Context: 16}.parts()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, vector := range parts[0].gguf.rows("token_embd.weight") {
		var sum float64
		var signs strings.Builder
		for _, x := range vector {
			sum += float64(x)
			signs.WriteByte("-+"[btoi(x > 0)])
		}
		if math.Abs(sum) > 1e-4 {
			t.Errorf("token %d has the mean %v", i, sum/embedWidth)
		}
		if seen[signs.String()] {
			t.Errorf("token %d has another's vector", i)
		}
		seen[signs.String()] = true
	}
	tokens := parts[0].gguf.entry("tokenizer.ggml.tokens").([]string)
	for _, want := range []string{"▁rent", "▁arrears", "▁the", "▁ze", "zy", "▁7", "7", "▁z", "z", "▁."} {
		if !slices.Contains(tokens, want) {
			t.Errorf("no token %q", want)
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
