package rag

import (
	"regexp"
	"strings"
)

// A question for an amount or for a length of time is best answered by a passage
// that states one. figureWeight is that passage's premium, in units of the
// question's whole weight, among the candidates and in the choice of a quotation.
const figureWeight = 0.25

var (
	asksMoney = regexp.MustCompile(`\b(how much|costs?|fees?|charges?|price|limits?|ceiling|maximum|minimum|threshold|the (most|least)\b.*\b(owe|pay|have|earn|own|worth)|worth|share|percentage)\b`)
	asksTime  = regexp.MustCompile(`\b(how (long|soon|often|many (hours|days|weeks|months|years))|deadline|by when|how quickly|time limit)\b`)

	money = regexp.MustCompile(`£ ?\d|\d ?%|\d (pounds|per cent)`)
	span  = regexp.MustCompile(`(?i)\b(\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fourteen|twenty|thirty|sixty) (working |calendar |clear )?(hours?|days?|weeks?|months?|years?)\b`)
)

// soughtFigure returns what the figure that a question asks for looks like, or nil
// when it asks for none.
func soughtFigure(question string) *regexp.Regexp {
	question = strings.ToLower(question)
	switch {
	case asksTime.MatchString(question):
		return span
	case asksMoney.MatchString(question):
		return money
	}
	return nil
}
