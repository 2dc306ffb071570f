package chunk

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// abbreviations end in a full stop without ending a sentence.
const abbreviations = " e.g. i.e. etc. cf. mr. mrs. ms. dr. no. nos. para. paras. art. reg. regs. s. ss. sch. st. v. vs. p. pp. fig. vol. ed. approx. incl. max. min. tel. ref. "

// Sentences cuts text at line ends and after full stops, question and
// exclamation marks that are followed by a space and a new beginning. Joined by
// spaces the sentences give the words of the text again.
func Sentences(text string) []string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		for found := true; found; {
			var sentence string
			sentence, line, found = CutSentence(line)
			out = appendTrimmed(out, sentence)
		}
	}
	return out
}

// CutSentence cuts a line after its first sentence, as [Sentences] does. Without
// an end of a sentence that another follows, found is false and the sentence is
// the whole line. Where one is found, it is where it is whatever may be added to
// the line.
func CutSentence(line string) (sentence, rest string, found bool) {
	for i := range len(line) {
		if line[i] == ' ' && endsSentence(line[:i]) && beginsSentence(line[i+1:]) {
			return line[:i], line[i+1:], true
		}
	}
	return line, "", false
}

func appendTrimmed(out []string, s string) []string {
	if s = strings.TrimSpace(s); s != "" {
		out = append(out, s)
	}
	return out
}

func endsSentence(s string) bool {
	s = strings.TrimRight(s, `"')]”’`)
	if s == "" || !strings.ContainsRune(".?!", rune(s[len(s)-1])) {
		return false
	}
	last := s[strings.LastIndexByte(s, ' ')+1:]
	if strings.Contains(abbreviations, " "+strings.ToLower(strings.TrimLeft(last, `"'([“‘`))+" ") {
		return false
	}
	if len(last) > 2 || !strings.HasSuffix(last, ".") {
		return true
	}
	// Neither "J. Smith" nor the number of an item, "3. Do this", ends one.
	return last[0] >= '0' && last[0] <= '9' && s != last
}

func beginsSentence(s string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(s, ` "'([“‘`))
	return unicode.IsUpper(r) || unicode.IsDigit(r) || r == '£' || r == '•' || r == '-' || r == '*'
}
