package rag

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/chunk"
)

var (
	// joint is where one question joins another in a sentence.
	joint = regexp.MustCompile(`(?i)(?:(?:[,;]\s*|\s+)(?:and|but|also|then|as well as|plus)\s+(?:also\s+|then\s+)?(` + askWord + `\b)|[,;]\s*((?:how|what|when|where|why|can|could|does|do)\b))`)
	// compared names two things.
	compared = regexp.MustCompile(`(?i)^(.*?)\b(?:differences? between|compar(?:e|ed|ing|ison of)|better,?)\s+(.+?)\s+(?:and|with|to|or|vs\.?|versus)\s+(.+?)[?.!\s]*$`)
	versus   = regexp.MustCompile(`(?i)^(.+?)\s+(?:vs\.?|versus)\s+(.+?)[?.!\s]*$`)
	numbered = regexp.MustCompile(`(?m)^\s*(?:\d+[.)]|[-*•])\s+`)
)

const askWord = `(?:how|what|when|where|who|whom|whose|which|why|can|could|does|do|did|is|are|was|were|will|would|should|may|must)`

// parts cuts a question into those that it asks, each with what it leaves to the
// one before. A question that asks one thing is its own only part.
func (l *language) parts(question string) []string {
	var raw []string
	for _, line := range numbered.Split(question, -1) {
		for _, sentence := range chunk.Sentences(line) {
			raw = append(raw, l.cut(sentence)...)
		}
	}
	var out []string
	lead := "" // a statement that a question follows, such as the client's case
	for _, part := range raw {
		if part = strings.Trim(part, " \t\n,;"); len(l.content(part)) == 0 && !asks(part) {
			continue
		}
		if len(raw) > 1 && !asks(part) {
			lead = strings.TrimSpace(lead + " " + part)
			continue
		}
		before := lead
		if len(out) > 0 {
			before = out[len(out)-1]
		}
		out = append(out, l.complete(part, before))
	}
	if len(out) == 0 {
		return []string{strings.TrimSpace(question)}
	}
	return out
}

var asking = regexp.MustCompile(`(?i)^\W*(?:and |but |so |then |also |if [^,]*, )*(?:` + askWord + `|has|have|explain|describe|list|compare|tell|find|steps?)\b|\?\s*$`)

func asks(text string) bool { return asking.MatchString(text) }

// cut cuts a sentence where questions join, or things are compared.
func (l *language) cut(sentence string) []string {
	if m := compared.FindStringSubmatch(sentence); m != nil {
		return []string{m[2] + "?", m[3] + "?"}
	}
	if m := versus.FindStringSubmatch(sentence); m != nil {
		return []string{m[1] + "?", m[2] + "?"}
	}
	var out []string
	for {
		at := joint.FindStringSubmatchIndex(sentence)
		if at == nil || !asks(sentence[:at[0]]) || len(l.content(sentence[:at[0]])) == 0 {
			return append(out, sentence)
		}
		out = append(out, sentence[:at[0]]+"?")
		sentence = sentence[max(at[2], at[4]):]
	}
}

// partsSchema is the form in which a model proposes parts.
var partsSchema = json.RawMessage(`{"type": "object", "properties": {"questions": {"type": "array", "items": {"type": "string", "maxLength": 300}, "maxItems": 5}}, "required": ["questions"], "additionalProperties": false}`)

const partsInstructions = `Split the adviser's question into the separate questions that manuals must be searched for, at most 5.
Use only words of the question. Do not answer it and add nothing. Answer as JSON: {"questions": ["…"]}.`

// leastOwn is the share of a proposed part's words that must be the question's.
const leastOwn = 0.8

// proposed has the model split a question, and keeps of its parts those in the
// question's own words. It returns what became of the rest in words.
func (s *Service) proposed(ctx context.Context, q Question) (parts []string, remark string, err error) {
	response, err := s.generator.Chat(ctx, provider.ChatRequest{
		Model: q.Model, MaxTokens: 400, Schema: partsSchema,
		Messages: []provider.Message{{Role: provider.System, Content: partsInstructions}, {Role: provider.User, Content: plainMarks(q.Text)}},
	})
	if err != nil {
		if kind := fault.KindOf(err); ctx.Err() != nil || kind == fault.Busy {
			return nil, "", err
		}
		return nil, "The model could not be asked for parts.", nil
	}
	var said struct{ Questions []string }
	if json.Unmarshal([]byte(response.Content), &said) != nil {
		return nil, "The model's parts could not be read.", nil
	}
	own := s.language.content(q.Text)
	dropped := 0
	for _, part := range said.Questions {
		terms, found := s.language.content(part), 0
		for t := range terms {
			if s.language.says(own, t) {
				found++
			}
		}
		if len(terms) == 0 || float64(found) < leastOwn*float64(len(terms)) {
			dropped++
			continue
		}
		parts = append(parts, strings.TrimSpace(part))
	}
	if dropped > 0 {
		remark = fmt.Sprintf("%d of the model's parts were dropped: their words are not the question's.", dropped)
	}
	return parts, remark, nil
}
