package rag

import (
	"fmt"
	"path"
	"strings"
)

// Document is the file name of the passage's document.
func (p Passage) Document() string { return path.Base(p.Source) }

// place names document and page.
func (p Passage) place() string {
	if p.Page == 0 {
		return p.Document()
	}
	return fmt.Sprintf("%s, page %d", p.Document(), p.Page)
}

// Whence names document, edition, page, and the days on which it is in force.
func (p Passage) Whence() string {
	parts := []string{p.place()}
	if p.Edition != "" {
		parts = append(parts, "edition "+p.Edition)
	}
	if days := p.inForce(); days != "" {
		parts = append(parts, days)
	}
	return strings.Join(parts, "; ")
}

// quoted is an answer in the manuals' own words.
func quoted(q Question, passages []Passage, why string) string {
	return why + " These passages of the manuals come closest to the question.\n\n" + quotations(q, passages)
}

// refusal says that the manuals do not cover a question.
func refusal(q Question, passages []Passage) string {
	const plain = "The manuals do not seem to cover this question, so there is no answer to it here."
	if len(passages) == 0 {
		return plain
	}
	return plain + " The nearest passages, which may be about something else, are:\n\n" + quotations(q, passages)
}

// unproved says that a model's answer had nothing that the passages prove.
func unproved(q Question, passages []Passage, why string) string {
	return "There is no answer to this question here that the manuals prove: " + why + " The nearest passages are:\n\n" + quotations(q, passages)
}

func quotations(q Question, passages []Passage) string {
	lines := make([]string, len(passages))
	for i, p := range passages {
		lines[i] = quotation(q, p, i+1)
	}
	return strings.Join(lines, "\n\n")
}

func quotation(q Question, p Passage, number int) string {
	return fmt.Sprintf("[%d] “%s” (%s)%s", number, p.Quote, p.Whence(), p.standing(q.day()).note())
}
