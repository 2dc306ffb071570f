package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider/providertest"
)

func TestTrained(t *testing.T) {
	const passages = "Represent this sentence for searching relevant passages: "
	for model, want := range map[string]prefixes{
		"nomic-embed-text":                        {"search_document: ", "search_query: "},
		"nomic-ai/nomic-embed-text-v1.5":          {"search_document: ", "search_query: "},
		"mxbai-embed-large:latest":                {"", passages},
		"snowflake-arctic-embed:335m":             {"", passages},
		"snowflake-arctic-embed2":                 {"", "query: "},
		"Snowflake/snowflake-arctic-embed-l-v2.0": {"", "query: "},
		"BAAI/bge-base-en-v1.5":                   {"", passages},
		"bge-m3":                                  {},
		"intfloat/multilingual-e5-large":          {"passage: ", "query: "},
		"intfloat/multilingual-e5-large-instruct": {"", "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "},
		"embeddinggemma:300m":                     {"title: none | text: ", "task: search result | query: "},
		"Qwen/Qwen3-Embedding-0.6B":               {"", "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"},
		"all-minilm":                              {},
		"granite-embedding":                       {},
	} {
		if got := (Config{EmbeddingModel: model}).prefixes(); got != want {
			t.Errorf("%s: %v, want %v", model, got, want)
		}
	}
}

// TestPrefixes looks at what both engines are sent.
func TestPrefixes(t *testing.T) {
	for name, start := range map[string]func(testing.TB, string) *providertest.Upstream{"ollama": providertest.NewOllama, "vllm": providertest.NewVLLM} {
		for _, tt := range []struct {
			document, query string // as set
			want            prefixes
		}{
			{"", "", prefixes{"search_document: ", "search_query: "}},
			{"none", "None", prefixes{}},
			{"", "q: ", prefixes{"search_document: ", "q: "}},
		} {
			t.Run(fmt.Sprintf("%s %q %q", name, tt.document, tt.query), func(t *testing.T) {
				up := start(t, "x")
				environ := up.Environ()
				environ["EMBEDDING_DOCUMENT_PREFIX"], environ["EMBEDDING_QUERY_PREFIX"] = tt.document, tt.query
				var cfg Config
				if err := env.Load(&cfg, environ); err != nil {
					t.Fatal(err)
				}
				c, err := Open(cfg, Options{})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(c.Close)
				texts := []string{"rent", "tax"}
				for _, task := range []Task{Document, Query} {
					got, err := c.Embed(t.Context(), task, texts)
					if err != nil {
						t.Fatal(err)
					}
					for i, text := range texts {
						sent := tt.want.of(task) + text
						if diff := cmp.Diff(providertest.Vector(sent), got.Vectors[i]); diff != "" {
							t.Errorf("%s: not the vector of %q: %s", task, sent, diff)
						}
					}
				}
				if texts[0] != "rent" {
					t.Errorf("the caller's texts were changed: %q", texts)
				}
				found, err := c.EmbeddingIdentity(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if found.prefixes() != tt.want || !cmp.Equal(found.Canary[0], providertest.Vector(tt.want.document+canaries[0])) {
					t.Errorf("identity %+v", found)
				}
			})
		}
	}
}

func TestIdentityOfPrefixes(t *testing.T) {
	stored := EmbeddingIdentity{Model: "m", DocumentPrefix: "d: ", QueryPrefix: "q: ", Dimension: 2, Canary: [][]float32{{1, 0}}}
	written, err := json.Marshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	var read EmbeddingIdentity
	if err := json.Unmarshal(written, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stored, read); diff != "" || !strings.Contains(string(written), `"document_prefix":"d: ","query_prefix":"q: "`) {
		t.Errorf("%s: %s", written, diff)
	}
	if err := stored.Check(read); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*EmbeddingIdentity){
		func(i *EmbeddingIdentity) { i.DocumentPrefix = "" },
		func(i *EmbeddingIdentity) { i.QueryPrefix = "" },
	} {
		other := stored
		change(&other)
		err := stored.Check(other)
		var e *IdentityError
		if fault.KindOf(err) != fault.Conflict || !errors.As(err, &e) {
			t.Fatalf("got %v", err)
		}
		for _, p := range []prefixes{stored.prefixes(), other.prefixes()} {
			if !strings.Contains(fault.DetailOf(err), p.String()) || !strings.Contains(e.Error(), p.String()) {
				t.Errorf("%q and %q do not name %v", fault.DetailOf(err), e, p)
			}
		}
	}
}

func TestTask(t *testing.T) {
	var cfg Config
	if err := env.Load(&cfg, nil); err != nil {
		t.Fatal(err)
	}
	c, err := Open(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if _, err := c.Embed(t.Context(), "search", []string{"rent"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}
