package tinymodels

import (
	"fmt"
	"strings"
)

// An Embed is a model that turns a text into the weighted mean of its words'
// vectors.
//
// It is a bert whose blocks add nothing, pooled by the mean. A word's vector
// is its weight times a random row of +1 and -1, as many of each. The layer
// norms divide by the root of the variance plus an epsilon; an epsilon of 1,
// far above the usual, lets a small vector stay small, so that words that are
// in every text ("the", "of") and the marks at its ends hardly count.
type Embed struct {
	// Words have a vector each, in lower case. Other words are the mean of
	// their pairs of letters, so that a word is near to its own inflections
	// and still apart from most others.
	Words []string
	// Context is the number of tokens a text may have: one for each of Words,
	// about one for every two letters of other words, two for the ends.
	Context int
}

const (
	embedWidth  = 64
	embedBlocks = 1
	embedHeads  = 2
	embedHidden = 32

	// Two pieces of a word count together about as much as a word.
	wordWeight  = 2
	pieceWeight = 0.5
	lightWeight = 0.05
)

// lightWords are in every text and tell texts apart in nothing.
const lightWords = "a an and are as at be been but by can do does for from had has have he her his how i if in into is it its may me my no not of on or our she should so than that the their them then there these they this to was we were what when which who will with would you your"

const embedLetters = "abcdefghijklmnopqrstuvwxyz"

func (Embed) template() string { return "" }

func (m Embed) parts() ([]part, error) {
	var tokens []string
	var vectors [][]float32
	seen := map[string]bool{}
	signs := random(3)
	add := func(token string, weight float32) {
		if seen[token] {
			return
		}
		seen[token] = true
		vector := make([]float32, embedWidth)
		for i, place := range signs.Perm(embedWidth) {
			vector[place] = weight * float32(1-2*(i%2))
		}
		tokens = append(tokens, token)
		vectors = append(vectors, vector)
	}
	// The first five, in this order, are named by number below.
	for _, special := range []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"} {
		add(special, lightWeight)
	}
	// A word's first piece begins with U+2581; longer pieces are tried first.
	for _, word := range strings.Fields(lightWords) {
		add("▁"+word, lightWeight)
	}
	for _, word := range m.Words {
		add("▁"+word, wordWeight)
	}
	for c := '!'; c <= '~'; c++ {
		weight := float32(lightWeight)
		if c >= '0' && c <= '9' {
			weight = pieceWeight
		}
		if c < 'A' || c > 'Z' {
			add("▁"+string(c), weight)
			add(string(c), weight)
		}
	}
	for _, first := range embedLetters {
		for _, second := range embedLetters {
			add("▁"+string(first)+string(second), pieceWeight)
			add(string(first)+string(second), pieceWeight)
		}
	}
	// Both are needed by the format and used for nothing here.
	types := make([]int32, len(tokens))
	scores := make([]float32, len(tokens))
	for i := range types {
		types[i] = normalToken
		if i < 5 {
			types[i] = controlToken
		}
	}

	g := &gguf{entries: []entry{
		{"general.architecture", "bert"},
		{"bert.context_length", uint32(m.Context)},
		{"bert.embedding_length", uint32(embedWidth)},
		{"bert.block_count", uint32(embedBlocks)},
		{"bert.feed_forward_length", uint32(embedHidden)},
		{"bert.attention.head_count", uint32(embedHeads)},
		{"bert.attention.layer_norm_epsilon", float32(1)},
		{"bert.attention.causal", false},
		{"bert.pooling_type", uint32(1)}, // the mean
		{"tokenizer.ggml.model", "bert"},
		{"tokenizer.ggml.tokens", tokens},
		{"tokenizer.ggml.token_type", types},
		{"tokenizer.ggml.scores", scores},
		{"tokenizer.ggml.token_type_count", uint32(2)},
		{"tokenizer.ggml.padding_token_id", uint32(0)},
		{"tokenizer.ggml.unknown_token_id", uint32(1)},
		{"tokenizer.ggml.cls_token_id", uint32(2)},
		{"tokenizer.ggml.seperator_token_id", uint32(3)}, // the format's spelling
		{"tokenizer.ggml.mask_token_id", uint32(4)},
	}, tensors: []tensor{
		rows("token_embd.weight", embedWidth, vectors),
		zeros("token_types.weight", embedWidth, 2),
		zeros("position_embd.weight", embedWidth, m.Context),
	}}
	g.tensors = append(g.tensors, norm("token_embd_norm", embedWidth)...)
	for i := range embedBlocks {
		block := fmt.Sprintf("blk.%d.", i)
		for _, layer := range []string{"attn_q", "attn_k", "attn_v", "attn_output"} {
			g.tensors = append(g.tensors, biased(block+layer, embedWidth, embedWidth)...)
		}
		g.tensors = append(g.tensors, norm(block+"attn_output_norm", embedWidth)...)
		g.tensors = append(g.tensors, biased(block+"ffn_up", embedWidth, embedHidden)...)
		g.tensors = append(g.tensors, biased(block+"ffn_down", embedHidden, embedWidth)...)
		g.tensors = append(g.tensors, norm(block+"layer_output_norm", embedWidth)...)
	}
	return []part{{".gguf", g}}, nil
}
