package provider

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// scanner reads JSON of the plain kind that engines write, at a fraction of
// encoding/json's cost: a stream has an event for each token. What is not of
// that kind, or not JSON, makes it odd, and is left to encoding/json; what is
// read means the same to both.
type scanner struct {
	raw   []byte
	texts *strings.Builder // holds the strings that are read, so that each need not be allocated
	at    int
	depth int
	odd   bool
}

// maxDepth is how deep a scanner follows.
const maxDepth = 32

// end reports whether the whole text was read and was not odd.
func (s *scanner) end() bool {
	s.space()
	return !s.odd && s.at == len(s.raw)
}

func (s *scanner) space() {
	for s.at < len(s.raw) && (s.raw[s.at] == ' ' || s.raw[s.at] == '\n' || s.raw[s.at] == '\r' || s.raw[s.at] == '\t') {
		s.at++
	}
}

// peek returns the byte that is next after space, 0 when there is none.
func (s *scanner) peek() byte {
	s.space()
	if s.odd || s.at == len(s.raw) {
		return 0
	}
	return s.raw[s.at]
}

// take reads a byte, or is odd where another is next.
func (s *scanner) take(want byte) {
	if s.peek() != want {
		s.odd = true
		return
	}
	s.at++
}

// literal reads a word where it is next.
func (s *scanner) literal(word string) bool {
	s.space()
	if s.odd || len(s.raw)-s.at < len(word) || string(s.raw[s.at:s.at+len(word)]) != word {
		return false
	}
	s.at += len(word)
	return true
}

// object reads an object or null. For a member whose name is known it calls
// member with the name's place among the known; member reads the value.
func (s *scanner) object(known []string, member func(i int)) {
	if s.literal("null") {
		return
	}
	s.nest('{', '}', func(seen uint) uint {
		name := s.name()
		s.take(':')
		i := slices.IndexFunc(known, func(k string) bool { return k == string(name) })
		switch {
		case i < 0:
			s.skip()
		case seen&(1<<i) != 0:
			s.odd = true // encoding/json has rules of its own for a name given twice
		default:
			member(i)
			seen |= 1 << i
		}
		return seen
	})
}

// array reads an array or null and calls element for each value.
func (s *scanner) array(element func()) {
	if s.literal("null") {
		return
	}
	s.nest('[', ']', func(uint) uint {
		element()
		return 0
	})
}

// nest reads what stands between two brackets, divided by commas.
func (s *scanner) nest(open, shut byte, part func(uint) uint) {
	s.take(open)
	if s.depth++; s.depth > maxDepth {
		s.odd = true
	}
	defer func() { s.depth-- }()
	if s.peek() == shut {
		s.at++
		return
	}
	for seen := uint(0); !s.odd; {
		seen = part(seen)
		if s.peek() == shut {
			s.at++
			return
		}
		s.take(',')
	}
}

// name reads a member's name. Those that encoding/json would match with another
// case are odd.
func (s *scanner) name() []byte {
	s.take('"')
	begin := s.at
	for s.at < len(s.raw) {
		switch c := s.raw[s.at]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_':
			s.at++
			continue
		case c == '"' && !s.odd:
			s.at++
			return s.raw[begin : s.at-1]
		}
		break
	}
	s.odd = true
	return nil
}

// text reads a string; null is empty. Where it is the same as former, that is
// returned.
func (s *scanner) text(former string) string {
	if s.literal("null") {
		return ""
	}
	s.space()
	begin := s.at
	plain := s.quoted()
	if s.odd {
		return ""
	}
	inner := s.raw[begin+1 : s.at-1]
	switch {
	case string(inner) == former && plain:
		return former
	case plain && utf8.Valid(inner):
		held := s.texts.Len()
		s.texts.Write(inner)
		return s.texts.String()[held:]
	}
	var text string
	if json.Unmarshal(s.raw[begin:s.at], &text) != nil {
		s.odd = true
	}
	return text
}

// quoted reads a string and reports whether it has no escapes.
func (s *scanner) quoted() (plain bool) {
	s.take('"')
	plain = true
	for !s.odd && s.at < len(s.raw) {
		switch c := s.raw[s.at]; {
		case c == '"':
			s.at++
			return plain
		case c < ' ':
			s.odd = true
		case c == '\\':
			plain = false
			s.escape()
		default:
			s.at++
		}
	}
	s.odd = true
	return false
}

func (s *scanner) escape() {
	s.at++
	if s.at == len(s.raw) {
		s.odd = true
		return
	}
	c := s.raw[s.at]
	s.at++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
	case 'u':
		for range 4 {
			if s.at == len(s.raw) || !isHex(s.raw[s.at]) {
				s.odd = true
				return
			}
			s.at++
		}
	default:
		s.odd = true
	}
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// flag reads true, false or null.
func (s *scanner) flag() bool {
	switch {
	case s.literal("true"):
		return true
	case s.literal("false"), s.literal("null"):
	default:
		s.odd = true
	}
	return false
}

// number reads a whole number of up to 18 digits; null is 0.
func (s *scanner) number() int {
	if s.literal("null") {
		return 0
	}
	negative := s.literal("-")
	n, digits := 0, s.digits()
	if s.at < len(s.raw) && (s.raw[s.at] == '.' || s.raw[s.at] == 'e' || s.raw[s.at] == 'E') || len(digits) > 18 {
		s.odd = true
	}
	for _, c := range digits {
		n = 10*n + int(c-'0')
	}
	if negative {
		return -n
	}
	return n
}

// digits reads digits, of which there must be one, and none too many zeros.
func (s *scanner) digits() []byte {
	begin := s.at
	for s.at < len(s.raw) && s.raw[s.at] >= '0' && s.raw[s.at] <= '9' {
		s.at++
	}
	if s.at == begin || s.raw[begin] == '0' && s.at > begin+1 {
		s.odd = true
	}
	return s.raw[begin:s.at]
}

// value reads any value and returns its text.
func (s *scanner) value() []byte {
	s.space()
	begin := s.at
	s.skip()
	return s.raw[begin:s.at]
}

// skip reads any value.
func (s *scanner) skip() {
	switch s.peek() {
	case '"':
		s.quoted()
	case '{':
		s.object(nil, nil)
	case '[':
		s.array(s.skip)
	case 't', 'f', 'n':
		if !s.literal("null") {
			s.flag()
		}
	default: // a number, of any form
		begin, whole := s.at, true
		for s.at < len(s.raw) && strings.IndexByte("0123456789-+.eE", s.raw[s.at]) >= 0 {
			whole = whole && s.raw[s.at] >= '0' && s.raw[s.at] <= '9'
			s.at++
		}
		plain := whole && s.at > begin && s.raw[begin] != '0'
		s.odd = s.odd || !plain && !json.Valid(s.raw[begin:s.at])
	}
}
