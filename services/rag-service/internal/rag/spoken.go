package rag

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// numberWords are the numbers that people write in words before a unit of money.
var numberWords = map[string]float64{
	"a": 1, "one": 1, "a couple of": 2, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
	"ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60,
	"half a": 0.5,
}

var (
	spokenMoney = regexp.MustCompile(`(?i)(£ ?)?\b(a couple of|half a|a|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|\d{1,4}(?:\.\d{1,2})?)( ?k| grand| thousand| hundred| million)\b( (?:quid|pounds?))?`)
	quid        = regexp.MustCompile(`(?i)\bquid\b`)
)

// written writes the amounts of a question as manuals do: "four grand", "4k" and
// "four thousand pounds" become £4,000. A thousand or a hundred of what is no
// money stays as it is.
func written(text string) string {
	text = spokenMoney.ReplaceAllStringFunc(text, func(found string) string {
		m := spokenMoney.FindStringSubmatch(found)
		scale := strings.ToLower(strings.TrimSpace(m[3]))
		if m[1] == "" && m[4] == "" && scale != "grand" && scale != "k" {
			return found
		}
		n, ok := numberWords[strings.ToLower(m[2])]
		if !ok {
			var err error
			if n, err = strconv.ParseFloat(m[2], 64); err != nil {
				return found
			}
		}
		switch scale {
		case "hundred":
			n *= 100
		case "million":
			n *= 1e6
		default:
			n *= 1000
		}
		return "£" + thousands(int(math.Round(n)))
	})
	return quid.ReplaceAllString(text, "pounds")
}

// thousands writes a number with commas.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
