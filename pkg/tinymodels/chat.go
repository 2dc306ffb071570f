package tinymodels

import (
	"fmt"
	"strings"
)

// A Chat is a model that says one fixed reply.
//
// It is a llama whose blocks add nothing, so that the state after a token is
// that token's embedding: a row of +1 and -1, and a +1 in the first place. A
// token's score is the product of the state and its output row. The output
// row of the reply's next piece is the embedding of the piece before it, so
// the piece that follows scores highest by far, at any usual temperature. The
// first piece follows <|assistant|>, with which the template ends.
//
// The JSON reply hangs on the same thread, a little weaker: it is said when a
// schema's grammar forbids the reply. Weaker still, the characters that close
// a JSON string, list and object have a constant score (the first place of
// every state is 1): under any other schema the model closes what it can and
// so ends the smallest document the schema accepts.
type Chat struct {
	// Reply is what the model says, to the end, whatever the prompt.
	Reply string
	// JSON is what it says instead when a schema's grammar allows this and
	// not Reply; empty for a model that says the smallest document always.
	JSON string
	// Loop makes it start Reply over instead of ending, without end.
	Loop bool
	// Context is the number of tokens the model was "trained" for. A prompt
	// costs one a byte, and one for each message.
	Context int
}

const (
	chatWidth  = 64
	chatBlocks = 2
	chatHeads  = 2
	chatHidden = 32

	// Scores: the following piece 4×64, the JSON reply's first 3×64, the end of
	// a string 2.5×64, of a list or object 2×64 or less. What two embeddings
	// agree in by chance scores less than 2×64 too; a test holds the scores to
	// their places. (Ollama takes a tenth off what was said lately.)
	following     = 4
	jsonStart     = 3
	closingString = 2.5 * chatWidth
	closing       = 2 * chatWidth
)

// Tokens beyond single bytes: an empty list and object in one, so that they
// can be preferred to a list or object begun.
const (
	emptyList   = "[]"
	emptyObject = "{}"
)

// Control tokens. The template writes one before each message and ends in
// <|assistant|>.
const (
	tokenEnd       = "<|end|>"
	tokenAssistant = "<|assistant|>"
)

func (Chat) template() string {
	return `{{ range .Messages }}<|{{ .Role }}|>{{ .Content }}{{ end }}` + tokenAssistant
}

func (c Chat) parts() ([]part, error) {
	v := newVocabulary()
	reply, err := v.chain(c.Reply)
	if err != nil {
		return nil, err
	}
	var json []int
	if c.JSON != "" {
		if json, err = v.chain(c.JSON); err != nil {
			return nil, err
		}
	}
	embeddings := make([][]float32, len(v.tokens))
	outputs := make([][]float32, len(v.tokens))
	signs := random(1)
	for i := range embeddings {
		embeddings[i] = make([]float32, chatWidth)
		embeddings[i][0] = 1
		for j := 1; j < chatWidth; j++ {
			embeddings[i][j] = float32(1 - 2*signs.IntN(2))
		}
		outputs[i] = make([]float32, chatWidth)
	}
	follow := func(token, after int, strength float32) {
		for j, x := range embeddings[after] {
			outputs[token][j] += strength * x
		}
	}
	link := func(pieces []int, start float32, end int) {
		follow(pieces[0], v.ids[tokenAssistant], start)
		for i, piece := range pieces[1:] {
			follow(piece, pieces[i], following)
		}
		follow(end, pieces[len(pieces)-1], following)
	}
	end := v.ids[tokenEnd]
	if c.Loop {
		end = reply[0]
	}
	link(reply, following, end)
	if len(json) > 0 {
		link(json, jsonStart, v.ids[tokenEnd])
	}
	// A string ends, whatever it could hold; a list is empty rather than begun,
	// and ended rather than gone on with.
	outputs[v.ids[`"`]][0] = closingString
	for i, characters := range []string{`}`, `]`, `,`, `:`, emptyList, emptyObject} {
		outputs[v.ids[characters]][0] = closing * (1 - 0.1*float32(i))
	}

	g := &gguf{entries: []entry{
		{"general.architecture", "llama"},
		{"llama.context_length", uint32(c.Context)},
		{"llama.embedding_length", uint32(chatWidth)},
		{"llama.block_count", uint32(chatBlocks)},
		{"llama.feed_forward_length", uint32(chatHidden)},
		{"llama.attention.head_count", uint32(chatHeads)},
		{"llama.attention.head_count_kv", uint32(chatHeads)},
		{"llama.attention.layer_norm_rms_epsilon", float32(1e-6)},
		{"llama.rope.dimension_count", uint32(chatWidth / chatHeads)},
		{"llama.vocab_size", uint32(len(v.tokens))},
		{"tokenizer.ggml.model", "gpt2"},
		{"tokenizer.ggml.pre", "default"},
		{"tokenizer.ggml.tokens", v.tokens},
		{"tokenizer.ggml.token_type", v.types},
		{"tokenizer.ggml.merges", []string{}},
		{"tokenizer.ggml.bos_token_id", uint32(v.ids[tokenEnd])},
		{"tokenizer.ggml.eos_token_id", uint32(v.ids[tokenEnd])},
	}, tensors: []tensor{
		rows("token_embd.weight", chatWidth, embeddings),
		rows("output.weight", chatWidth, outputs),
		ones("output_norm.weight", chatWidth),
	}}
	for i := range chatBlocks {
		block := fmt.Sprintf("blk.%d.", i)
		g.tensors = append(
			g.tensors,
			ones(block+"attn_norm.weight", chatWidth),
			zeros(block+"attn_q.weight", chatWidth, chatWidth),
			zeros(block+"attn_k.weight", chatWidth, chatWidth),
			zeros(block+"attn_v.weight", chatWidth, chatWidth),
			zeros(block+"attn_output.weight", chatWidth, chatWidth),
			ones(block+"ffn_norm.weight", chatWidth),
			zeros(block+"ffn_gate.weight", chatWidth, chatHidden),
			zeros(block+"ffn_up.weight", chatWidth, chatHidden),
			zeros(block+"ffn_down.weight", chatHidden, chatWidth),
		)
	}
	return []part{{".gguf", g}}, nil
}

// A vocabulary is GPT-2's way to write tokens: a printable character for each
// of the 256 bytes (so that any prompt can be read, a byte a token, as there
// are no merges), two tokens of JSON, the control tokens, and the pieces of
// the replies.
type vocabulary struct {
	tokens []string
	types  []int32
	ids    map[string]int
	bytes  [256]string
}

const (
	normalToken  = 1
	controlToken = 3
)

func newVocabulary() *vocabulary {
	v := &vocabulary{ids: map[string]int{}}
	// Bytes that print stand for themselves, the others for the characters
	// from U+0100 on, in order.
	next := rune(256)
	for b := range 256 {
		character := rune(b)
		if prints := b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae; !prints {
			character = next
			next++
		}
		v.bytes[b] = string(character)
		v.add(v.bytes[b], normalToken)
	}
	v.add(emptyList, normalToken)
	v.add(emptyObject, normalToken)
	for _, control := range []string{tokenEnd, "<|system|>", "<|user|>", tokenAssistant, "<|tool|>"} {
		v.add(control, controlToken)
	}
	return v
}

func (v *vocabulary) add(token string, kind int32) int {
	id := len(v.tokens)
	v.tokens = append(v.tokens, token)
	v.types = append(v.types, kind)
	v.ids[token] = id
	return id
}

// encode writes a text as its bytes' characters.
func (v *vocabulary) encode(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		b.WriteString(v.bytes[c])
	}
	return b.String()
}

// chain cuts a reply into pieces, adds each to the vocabulary and returns
// their numbers. A piece is a word with the space before it. A model's next
// piece hangs on the piece alone, so no piece may occur twice: a word said
// before takes the next words into its piece until the piece is new.
func (v *vocabulary) chain(reply string) ([]int, error) {
	var pieces []string
	pending := ""
	seen := map[string]bool{}
	for word := range words(reply) {
		pending += word
		if _, taken := v.ids[v.encode(pending)]; !taken && !seen[pending] {
			pieces = append(pieces, pending)
			seen[pending] = true
			pending = ""
		}
	}
	// What is left at the end was said before: the last piece takes it in.
	for pending != "" {
		if len(pieces) == 0 {
			return nil, fmt.Errorf("the reply %q has no piece that is not in the vocabulary already: make it longer", reply)
		}
		last := pieces[len(pieces)-1]
		pieces = pieces[:len(pieces)-1]
		pending = last + pending
		if _, taken := v.ids[v.encode(pending)]; !taken && !seen[pending] {
			pieces = append(pieces, pending)
			break
		}
	}
	if len(pieces) == 0 {
		return nil, fmt.Errorf("the reply is empty")
	}
	ids := make([]int, len(pieces))
	for i, piece := range pieces {
		ids[i] = v.add(v.encode(piece), normalToken)
	}
	return ids, nil
}

// words yields a text's words, each with the space before it.
func words(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start := 0
		for i := 1; i < len(text); i++ {
			if text[i] == ' ' {
				if !yield(text[start:i]) {
					return
				}
				start = i
			}
		}
		if start < len(text) {
			yield(text[start:])
		}
	}
}

// Babble is a text of n made-up words, no two alike.
func Babble(n int) string {
	const consonants, vowels = "bdfgklmnprstv", "aeiou"
	letters := random(2)
	seen := map[string]bool{}
	var said []string
	for len(said) < n {
		var word []byte
		for range 2 + letters.IntN(2) {
			word = append(word, consonants[letters.IntN(len(consonants))], vowels[letters.IntN(len(vowels))])
		}
		if !seen[string(word)] {
			seen[string(word)] = true
			said = append(said, string(word))
		}
	}
	return " " + strings.Join(said, " ")
}
