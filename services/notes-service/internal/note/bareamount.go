package note

import (
	"strconv"
	"strings"

	"signpost.internal/services/notes-service/internal/pattern"
)

// Amounts in words: "a grand", "two hundred quid", "three thousand pounds".
const smallNumber = `(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)`

var (
	wordAmountRE   = foldedRE(`\b((?:(?:an?|half a|couple of|` + smallNumber + `|hundred|thousand|grand|and|\d{1,3})[\s-]+)*(?:` + smallNumber + `|hundred|thousand|million))\s+(?:pounds?|quid|squid)\b`)
	moneyInWordsRE = foldedRE(`\b(?:pounds?|quid|squid|grand)\b`)
	grandRE        = foldedRE(`\b(an?|half a|` + smallNumber + `|\d{1,3})\s+grand\b`)
	tenses         = map[string]int64{
		"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
		"thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40,
		"fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
	}
)

// inWords finds amounts in words that are followed by pounds or quid.
func (s *scanner) inWords() {
	if !moneyInWordsRE.MatchString(s.text) {
		return
	}
	for _, m := range grandRE.FindAllStringSubmatchIndex(s.text, -1) {
		number := strings.ToLower(s.text[m[2]:m[3]])
		pence := int64(50_000)
		if number != "half a" {
			n, ok := wordsToNumber(number)
			if !ok {
				continue
			}
			pence = n * 100_000
		}
		s.spelled(m[0], m[1], pence)
	}
	for _, m := range wordAmountRE.FindAllStringSubmatchIndex(s.text, -1) {
		if n, ok := wordsToNumber(strings.ToLower(s.text[m[2]:m[3]])); ok {
			s.spelled(m[0], m[1], n*100)
		}
	}
}

func (s *scanner) spelled(start, end int, pence int64) {
	if !s.free(start, end) {
		return
	}
	period, more := s.periodAt(end)
	s.add(Fact{Kind: Amount, Value: pounds(pence), Period: period, Start: start, End: end + more})
}

// periodAt reads the period that stands after an amount, and its length.
func (s *scanner) periodAt(end int) (string, int) {
	m := periodRE.FindStringSubmatchIndex(ahead(s.text, end))
	if m == nil || !s.free(end, end+m[1]) {
		return "", 0
	}
	for i, name := range periodRE.SubexpNames() {
		if name != "" && m[2*i] >= 0 {
			if full, ok := periodNames[name]; ok {
				name = full
			}
			return name, m[1]
		}
	}
	return "", 0
}

// wordsToNumber reads a number in words.
func wordsToNumber(text string) (int64, bool) {
	var total, part int64
	for _, w := range strings.FieldsFunc(text, func(c rune) bool { return c == ' ' || c == '-' }) {
		switch n, err := strconv.ParseInt(w, 10, 64); {
		case err == nil:
			part += n
		case w == "and":
		case w == "couple" || w == "half":
			return 0, false
		case w == "hundred":
			part = max(part, 1) * 100
		case w == "thousand", w == "grand":
			total += max(part, 1) * 1000
			part = 0
		case w == "million":
			total += max(part, 1) * 1_000_000
			part = 0
		case tenses[w] > 0:
			part += tenses[w]
		default:
			return 0, false
		}
		if total > 1_000_000_000 || part > 1_000_000_000 {
			return 0, false
		}
	}
	return total + part, total+part > 0
}

var (
	groupedRE = pattern.MustCompile(`\b\d{1,3}(?:,\d{3})+\.\d\d\b`)
	plainRE   = pattern.MustCompile(`(?:^|[\s(\[|=~\-–/:>*])(` + numberPattern + `)(k\b)?(?:$|[^\w.,/:%-]|[.,;:](?:\s|$)|/(?:[a-z])|[-–]\s)`)
	// What a bare number counts, or what it is the number of, if it is not money.
	unitAfterRE = foldedRE(`^\s*(?:%|x\b|×|years?|yrs?|y/?o\b|months?|mths?|mos?\b|weeks?|wks?|days?|hours?|hrs?|mins?|minutes?|pm\b|am\b|of\b|st\b|nd\b|rd\b|th\b|or so|times|miles?|people|kids?|child(?:ren)?|adults?|debts?|creditors?|accounts?|cards?|loans?|letters?|calls?|visits?|payslips?|pay slips?|wage|payments?|pages?|copies|properties|bed(?:room)?s?|rooms?|jobs?|priority|non|non-priority|unsecured|missed|ccjs?|pcns?|dcas?|parking|bank|instal\w*|warnings?|texts?|missed|late|arrears letters|cats?|dogs?|dependants?|forms?|points?|options?|stars?|percent|per cent|pc\b|old|off\b|working|separate|different|more|other|small|diff|main|joint|steps?|sons?|daughters?|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)`)
	numberOfRE  = foldedRE(`(?:\b(?:no|nos|number|flat|apt|unit|room|house|page|p|pp|section|sec|s|form|line|step|ref|reference|acc|acct|account|a/c|ext|tel|mob|phone|aged?|dob|band|bus|route|floor|part|schedule|para|item|point|q|type|version|class|year|tax year|week|wk|month|day|tier|stage|option|client|ct|cl|art|article|rule|reg|regulation|case|claim|policy|agreement|roll|card ending|ending|ending in|code|sort code|postcode|score|jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec|since|in|at|until|till|by|before|after|from|x|under|within|next|last|every|first|than a|windows|covid)\.?\s*[#:]?\s*)$|(?:^|[\s\d(])[#@x×]\s*$`)
	moneyLeadRE = foldedRE(`(?:ow(?:e|es|ed|ing)|balance|bal|arrears|rent|pay|pays|paid|paying|offer(?:ed)?|offering|thought|said|sed|reckons?|total|o/d|overdraft|wages?|salary|nets?|worth|approx|about|around|circa|c\.?|was|is|now|of|to|[-–=:~]|mortgage|gas|elec|fine|debt|loan|limit|tax|water|no|sorry|actually|not|correction|it['’]?s|from|than|at|for|says?|sez|shows?|has|and|&|or|plus|minus|less|another|only|still|roughly|over|under)[\s:.,]*$`)
)

// bareAmounts finds numbers without a pound sign that what stands around them
// shows to be money.
func (s *scanner) bareAmounts() {
	known := false // money is spoken of before
	for _, f := range s.facts {
		known = known || f.Kind == Amount
	}
	cues := moneyCues(s.text)
	for _, m := range groupedRE.FindAllStringIndex(s.text, -1) {
		if !partOfNumber(s.text, m[0]) {
			s.amount(m[0], m[1], m[0], m[1], -1, -1)
			known = true
		}
	}
	if !known && cues == nil {
		return
	}
	for from := 0; from < len(s.text); {
		m := plainRE.FindStringSubmatchIndex(s.text[from:])
		if m == nil {
			return
		}
		start, end := from+m[2], from+m[3]
		from = end
		if !s.free(start, end) || partOfNumber(s.text, start) || start > 1 && s.text[start-1] == '/' && isDigit(s.text[start-2]) {
			continue
		}
		unitFrom, unitTo := -1, -1
		if m[4] >= 0 {
			unitFrom, unitTo = start-m[2]+m[4], start-m[2]+m[5]
		}
		number := s.text[start:end]
		whole, fraction, _ := strings.Cut(strings.ReplaceAll(number, ",", ""), ".")
		value, err := strconv.ParseInt(whole, 10, 64)
		if err != nil {
			continue
		}
		before, after := behind(s.text, start), ahead(s.text, max(end, unitTo))
		period, _ := s.periodAt(max(end, unitTo))
		money := false
		switch {
		case s.corrects(start):
			money = true
		case unitAfterRE.MatchString(after) && period == "", numberOfRE.MatchString(before) && !strings.HasSuffix(strings.TrimSpace(before), "x2"):
		case value < 100 && fraction == "" && period == "" && isRE.MatchString(before):
		case strings.Contains(number, ","):
			money = true
		case len(fraction) == 2:
			money = value > 23 || fraction[0] > '5' || moneyLeadRE.MatchString(before) && s.cueNear(cues, start)
		case fraction != "" || whole[0] == '0', len(whole) > 7:
		case whole >= "1900" && whole <= "2099" && len(whole) == 4 && !owesRE.MatchString(before):
		case value >= 20 || period != "" && value >= 1:
			money = s.cueNear(cues, start) || known && (moneyLeadRE.MatchString(before) || listedOthers[strings.ToLower(lastWord(before))])
		}
		if !money {
			continue
		}
		if unitFrom >= 0 {
			s.amount(start, unitTo, start, end, unitFrom, unitTo)
		} else {
			s.amount(start, end, start, end, -1, -1)
		}
		known = true
	}
}

func lastWord(text string) string {
	words := wordRE.FindAllString(text, -1)
	if len(words) == 0 {
		return ""
	}
	return words[len(words)-1]
}

// isRE finds what an age may follow: "Tom is 29".
var isRE = foldedRE(`\b(?:is|he['’]s|she['’]s|was|now)\s*$`)

// corrects tells whether the number at i takes back the amount before it: "340,
// no, 304".
func (s *scanner) corrects(i int) bool {
	for j := len(s.facts) - 1; j >= 0; j-- {
		if f := s.facts[j]; f.Kind == Amount && f.End <= i && i-f.End < lookAround && s.free(f.End, i) {
			return correctionRE.MatchString(s.text[f.End:i])
		}
	}
	return false
}

var owesRE = foldedRE(`\b(?:ow(?:e|es|ed|ing)|balance|bal|arrears|paid|total|debt)(?: of| is|:)?\s*$`)

// Words that show that a number near after them is money.
var moneyWords = set(`owe owes owed oweing owing debt debts balance bal arrears arrs rent income wage wages salary net nets earn earns earnings pay pays paid paying pension limit loan overdraft o/d overdrawn
	bill bills cost costs fee fees offer offers offered surplus deficit mortgage ccj settle settlement benefit benefits savings claim charge charges card cards tax ctax uc hb cb dla pip esa jsa aa ca pc ssp smp dmp
	cat catalogue gas elec electric electricity water fine fines instal instalment instalments deposit min minimum payment payments total approx about around worth value equity budget spend spends food phone
	broadband insurance tv dd grant refund lender bank creditor creditors`)

// moneyCues returns the places of the words of money.
func moneyCues(text string) [][]int {
	var found [][]int
	for i := 0; i < len(text); {
		if !isLetter(text[i]) {
			i++
			continue
		}
		end := i
		for end < len(text) && (isLetter(text[end]) || text[end] == '/') {
			end++
		}
		if end-i < 12 && moneyWords[strings.ToLower(text[i:end])] {
			found = append(found, []int{i, end})
		}
		i = end
	}
	return found
}

// cueNear tells whether a word of money stands near before a number, in its
// sentence.
func (s *scanner) cueNear(cues [][]int, at int) bool {
	for _, m := range cues {
		if m[1] <= at && at-m[1] <= 45 && !strings.Contains(s.text[m[1]:at], "; ") {
			return true
		}
	}
	return false
}
