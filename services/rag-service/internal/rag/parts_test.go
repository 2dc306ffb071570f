package rag

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParts(t *testing.T) {
	for question, want := range map[string][]string{
		"How long does breathing space last?": {"How long does breathing space last?"},
		"Can bailiffs take tools and a van?":  {"Can bailiffs take tools and a van?"},
		"How long does breathing space last and who can start it?": {
			"How long does breathing space last?", "who can start it? (breathing space)",
		},
		"What does bankruptcy cost? Can it be paid in instalments?": {
			"What does bankruptcy cost?", "Can it be paid in instalments? (bankruptcy cost)",
		},
		"What is the difference between a debt relief order and bankruptcy?":           {"a debt relief order?", "bankruptcy?"},
		"Debt relief order vs bankruptcy":                                              {"Debt relief order?", "bankruptcy?"},
		"My client owns a van. Can the bailiffs take it?":                              {"Can the bailiffs take it? (owns van)"},
		"1. How much does a DRO cost?\n2. Which debts are left out of a DRO?":          {"How much does a DRO cost?", "Which debts are left out of a DRO?"},
		"How much may she owe for a DRO, what may her car be worth, and is there fee?": {"How much may she owe for a DRO?", "what may her car be worth? (owe dro)", "is there fee? (car owe dro)"},
		"?": {"?"},
	} {
		if diff := cmp.Diff(want, english.parts(question)); diff != "" {
			t.Errorf("parts(%q) (-want +got):\n%s", question, diff)
		}
	}
}

func TestSearched(t *testing.T) {
	user := func(texts ...string) []Turn {
		var out []Turn
		for _, text := range texts {
			out = append(out, Turn{Role: "user", Content: text}, Turn{Role: "assistant", Content: "The fee is £12 for orchids [1]."})
		}
		return out
	}
	for _, tt := range []struct {
		question string
		history  []Turn
		want     string
	}{
		{"How long does breathing space last?", nil, "How long does breathing space last?"},
		{"And for couples?", user("How long does breathing space last?"), "And for couples? (how long breathing space)"},
		{"What about Wales?", user("What are the rules on rent arrears?"), "What about Wales? (rent arrears)"},
		{"Can it be extended?", user("How long does breathing space last?"), "Can it be extended? (breathing space)"},
		{"And how much?", user("Who pays for bankruptcy?"), "And how much? (pays bankruptcy)"},
		{"Can it be extended?", user("How long does breathing space last?", "And for couples?"), "Can it be extended? (couples breathing space)"},
		{"Which fines are left out of a debt relief order?", user("How long does breathing space last?"), "Which fines are left out of a debt relief order?"},
		{"Why?", user("A landlord may still evict"), "Why? (landlord evict)"},
	} {
		if got := english.searched(tt.question, tt.history); got != tt.want {
			t.Errorf("searched(%q) = %q, want %q", tt.question, got, tt.want)
		}
	}
}
