package provider

import (
	"cmp"
	"fmt"
	"strings"
)

// Task says what a text is embedded for. Many models embed what is searched and
// what is searched for each in its own way.
type Task string

// The tasks.
const (
	Document Task = "document" // a text to be found
	Query    Task = "query"    // a question that finds texts
)

// prefixes stand before the texts of each task.
type prefixes struct{ document, query string }

// String quotes both.
func (p prefixes) String() string { return fmt.Sprintf("%q and %q", p.document, p.query) }

func (p prefixes) of(t Task) string {
	if t == Query {
		return p.query
	}
	return p.document
}

// prefixes returns those that are set, or else those of the model.
func (c Config) prefixes() prefixes {
	own := trained(c.EmbeddingModel)
	set := func(value, otherwise string) string {
		if strings.EqualFold(value, None) {
			return ""
		}
		return cmp.Or(value, otherwise)
	}
	return prefixes{set(c.EmbeddingDocumentPrefix, own.document), set(c.EmbeddingQueryPrefix, own.query)}
}

// trained returns the prefixes that a model was trained with, by its name on
// Ollama or Hugging Face. Neither Ollama nor vLLM adds them. A model that is not
// known has none.
func trained(model string) prefixes {
	const passages = "Represent this sentence for searching relevant passages: "
	name := strings.ToLower(model)
	is := func(part string) bool { return strings.Contains(name, part) }
	switch {
	case is("nomic-embed-text"): // model card of nomic-ai/nomic-embed-text-v1.5; v1 and v2-moe have the same
		return prefixes{"search_document: ", "search_query: "}
	case is("mxbai-embed"): // model card of mixedbread-ai/mxbai-embed-large-v1
		return prefixes{"", passages}
	case is("arctic-embed2"), is("arctic-embed") && is("v2"): // model card of Snowflake/snowflake-arctic-embed-l-v2.0
		return prefixes{"", "query: "}
	case is("arctic-embed"): // model card of Snowflake/snowflake-arctic-embed-m
		return prefixes{"", passages}
	case is("bge-m3"), is("-zh"): // model card of BAAI/bge-m3: it has none; the Chinese ones are not for us
		return prefixes{}
	case is("bge-"): // model card of BAAI/bge-large-en-v1.5
		return prefixes{"", passages}
	case is("e5-mistral"), is("e5") && is("instruct"): // model card of intfloat/multilingual-e5-large-instruct
		return prefixes{"", "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "}
	case is("e5-"): // model card of intfloat/multilingual-e5-large
		return prefixes{"passage: ", "query: "}
	case is("embeddinggemma"): // model card of google/embeddinggemma-300m
		return prefixes{"title: none | text: ", "task: search result | query: "}
	case is("qwen3-embedding"): // model card of Qwen/Qwen3-Embedding-0.6B
		return prefixes{"", "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"}
	}
	return prefixes{}
}
