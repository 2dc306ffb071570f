package rag

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/bm25"
)

// The bounds of what was said before a question.
const (
	MaxTurns   = 20
	MaxHistory = 20_000 // characters, all turns together
)

// Turn is something that was said before a question.
type Turn struct {
	Role    provider.Role // provider.User or provider.Assistant
	Content string
}

func checkHistory(turns []Turn) error {
	if len(turns) > MaxTurns {
		return invalid("history", fmt.Sprintf("has %d turns; send the latest %d", len(turns), MaxTurns))
	}
	length := 0
	for i, t := range turns {
		length += utf8.RuneCountInString(t.Content)
		switch {
		case t.Role != provider.User && t.Role != provider.Assistant:
			return invalid(fmt.Sprintf("history[%d].role", i), "must be user or assistant")
		case strings.TrimSpace(t.Content) == "":
			return invalid(fmt.Sprintf("history[%d].content", i), "is blank; leave such turns out")
		case length > MaxHistory:
			return invalid("history", fmt.Sprintf("is longer than %d characters; send fewer turns", MaxHistory))
		}
	}
	return nil
}

var (
	// following begins a question that goes on with the one before.
	following = regexp.MustCompile(`(?i)^\W*(?:and|or|but|so|also|then|what about|how about|what if|same|ok(?:ay)?,? and|only|even)\b`)
	// pointing are words that stand for something said before.
	pointing = regexp.MustCompile(`(?i)\b(?:it|its|that|this|these|those|they|them|their|there|one|ones|he|she|him|her|so|such|same|either|both|then)\b`)
)

// fewWords is how many words of its own a question may have that points to
// something said before and still wants it.
const fewWords = 3

// searched returns what is searched for: the question, and where it leans on the
// one before, that one's subject too. Only what the asker said counts.
func (l *language) searched(question string, history []Turn) string {
	before := ""
	for _, t := range history {
		if t.Role == provider.User {
			before = l.complete(t.Content, before)
		}
	}
	return l.complete(question, before)
}

// complete adds to an elliptical question what it leaves out: the words of the
// question before that say what that was about.
func (l *language) complete(question, before string) string {
	question = strings.TrimSpace(question)
	own := l.content(question)
	if before == "" {
		return question
	}
	goesOn := following.MatchString(question)
	leans := goesOn || len(own) == 0 || len(own) <= fewWords && pointing.MatchString(question)
	if !leans {
		return question
	}
	var carried []string
	known := map[uint32]bool{}
	for word := range bm25.Words(before) {
		id := l.analyzer.ID(word)
		if l.analyzer.IsStop(word) || l.ask[id] || own[id] || known[id] || len(carried) == maxCarried {
			continue
		}
		known[id] = true
		carried = append(carried, word)
	}
	// "And for couples?" asks for what was asked before, such as how long.
	if sought := soughtWords.FindString(before); goesOn && sought != "" && soughtFigure(question) == nil {
		carried = append([]string{strings.ToLower(sought)}, carried...)
	}
	if len(carried) == 0 {
		return question
	}
	return question + " (" + strings.Join(carried, " ") + ")"
}

// maxCarried bounds how many words are carried over, as questions that lean on
// each other would otherwise grow.
const maxCarried = 12

var soughtWords = regexp.MustCompile(`(?i)\bhow (?:much|many|long|soon|often|quickly)\b`)
