package provider

import "strings"

const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
)

// splitter takes a stream of text apart into reasoning and answer. A model that
// thinks aloud in <think>…</think> at the head of its text does so when the
// engine was not told how to parse it.
type splitter struct {
	state   int    // 0: not known yet, 1: in the reasoning, 2: in the answer
	pending string // text that may be part of a tag, or space around one
}

// add takes the next piece and returns what of it is known by now.
func (s *splitter) add(piece string) (answer, reasoning string) {
	if s.state == 2 && s.pending == "" {
		return piece, ""
	}
	s.pending += piece
	if s.state == 0 {
		head := strings.TrimLeft(s.pending, " \t\r\n")
		switch {
		case strings.HasPrefix(head, thinkOpen):
			s.state, s.pending = 1, head[len(thinkOpen):]
		case strings.HasPrefix(thinkOpen, head):
			return "", ""
		default:
			s.state, answer, s.pending = 2, s.pending, ""
			return answer, ""
		}
	}
	if s.state == 1 {
		before, after, closed := strings.Cut(s.pending, thinkClose)
		if !closed {
			keep := overlap(s.pending, thinkClose)
			reasoning, s.pending = s.pending[:len(s.pending)-keep], s.pending[len(s.pending)-keep:]
			return "", reasoning
		}
		s.state, s.pending, reasoning = 2, after, before
	}
	// The answer begins at its first character that is not space.
	answer = strings.TrimLeft(s.pending, " \t\r\n")
	if answer == "" {
		s.pending = " " // still before its first character
		return "", reasoning
	}
	s.pending = ""
	return answer, reasoning
}

// end returns what was held back.
func (s *splitter) end() (answer, reasoning string) {
	held := s.pending
	s.pending = ""
	switch s.state {
	case 0:
		return held, ""
	case 1:
		return "", held
	}
	return "", ""
}

// overlap returns the length of the longest suffix of text that begins tag.
func overlap(text, tag string) int {
	for n := min(len(tag)-1, len(text)); n > 0; n-- {
		if strings.HasSuffix(text, tag[:n]) {
			return n
		}
	}
	return 0
}
