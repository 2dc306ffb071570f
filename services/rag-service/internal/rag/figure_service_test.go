package rag_test

import "testing"

func TestAPassageThatStatesTheFigureComesFirst(t *testing.T) {
	f := newFixture(t)
	for name, text := range map[string]string{
		"guide.md": "A breathing space lasts as the regulations on it say.",
		"rules.md": "A breathing space lasts 60 days from the day after its entry in the register, unless the adviser ends it sooner.",
	} {
		if _, err := f.IngestFile(t.Context(), manual(name), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.ask(t, "How long does a breathing space last?").Passages[0].Source; got != "rules.md" {
		t.Errorf("asked how long, %s comes first", got)
	}
	if got := f.ask(t, "Does a breathing space last?").Passages[0].Source; got != "guide.md" {
		t.Errorf("asked for no figure, %s comes first: the test shows nothing", got)
	}
}
