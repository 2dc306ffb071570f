package note

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"signpost.internal/services/notes-service/internal/pattern"
)

// Place is where in the notes something stands: Line counts from 1, Start and End
// are byte offsets within it.
type Place struct{ Line, Start, End int }

// Mention is something that the notes speak of.
type Mention struct {
	Place
	Name string
	Role string // of a person: "client", or what the notes call them; else ""
}

// Priority says whether a debt comes first.
type Priority string

// The priorities. UnknownPriority is for what no rule knows.
const (
	PriorityDebt    Priority = "priority"
	NonPriorityDebt Priority = "non_priority"
	UnknownPriority Priority = "unknown"
)

// Debt is an amount that the notes say is owed.
type Debt struct {
	Place
	Creditor string // "" where the notes do not say
	Kind     string // as debts.txt names it, or ""
	Amount   string
	Priority Priority
}

// Correction is something that the notes take back. New is "" where nothing takes
// its place.
type Correction struct {
	Place
	Kind    Kind
	Old     string
	New     string
	NewLine int
}

// Presence says whether the notes cover an item of the checklist.
type Presence string

// The presences.
const (
	Present       Presence = "present"
	Absent        Presence = "absent"
	NotApplicable Presence = "not_applicable"
)

// Item is one thing that a Confirmation of Advice must cover.
type Item struct {
	ID, Text string
	Presence Presence
	Lines    []int // on which it rests
}

// Country is the law that the notes show; Lines say where.
type Country struct {
	Name  string // england_wales, scotland, northern_ireland, or "" where nothing shows it
	Lines []int
	// Conflicting names further countries that the notes speak of.
	Conflicting []string
}

// Analysis is the case record of one set of notes.
type Analysis struct {
	Date        string // of the notes, in ISO 8601; "" where they give none
	Facts       []Fact
	People      []Mention
	Creditors   []Mention
	Debts       []Debt
	Options     []Mention
	Corrections []Correction
	// Internal are the places of internal matter. What stands there is repeated
	// nowhere in the record.
	Internal   []Place
	Checklist  []Item
	Country    Country
	TwoClients []int // the lines that speak of more than one client
	Warnings   []string
	// Doubts counts the warnings that the adviser must settle.
	Doubts int
}

// Analyse makes the case record.
func (r *Record) Analyse() *Analysis {
	a := &Analysis{Facts: r.Facts(), Warnings: r.Warnings, Doubts: r.doubts, TwoClients: r.twoClientLines}
	a.Date = r.date()
	for i := range a.Facts {
		f := &a.Facts[i]
		if f.Kind == Date {
			f.Day = resolve(f.Value, a.Date)
		}
		if f.Kind == Action {
			f.Urgency = urgency(*f)
		}
	}
	a.Facts = withoutInternal(a.Facts)
	a.People, a.Creditors = r.parties()
	for i := range r.Lines {
		l := &r.Lines[i]
		for _, h := range l.hidden {
			if !l.blank() {
				a.Internal = append(a.Internal, Place{l.Number, h.start, h.end})
			}
		}
		for _, f := range l.Facts {
			if f.Superseded && !f.Internal {
				a.Corrections = append(a.Corrections, Correction{Place{l.Number, f.Start, f.End}, f.Kind, f.Text, f.by, f.byLine})
			}
		}
		a.Debts = append(a.Debts, r.debts(l)...)
		a.Options = append(a.Options, options(l)...)
	}
	a.Country = r.country()
	a.Checklist = r.checklist(a)
	return a
}

// withoutInternal takes the words of internal facts away: that they are there is
// all that the record says of them.
func withoutInternal(facts []Fact) []Fact {
	out := slices.Clone(facts)
	for i := range out {
		if f := &out[i]; f.Internal {
			f.Value, f.Text, f.Deadline, f.Day = "", "", "", ""
		}
	}
	return out
}

// date returns the day on which the notes were taken: a full date at the start of
// one of their first lines.
func (r *Record) date() string {
	for i := range r.Lines[:min(len(r.Lines), 4)] {
		for _, f := range r.Lines[i].Facts {
			if f.Kind == Date && isoDateRE.MatchString(f.Value) && !f.Internal && !birthRE.MatchString(behind(r.Lines[i].Text, f.Start)) && (f.Start <= 16 || dateLeadRE.MatchString(behind(r.Lines[i].Text, f.Start))) {
				return f.Value
			}
		}
	}
	return ""
}

var (
	dateLeadRE = foldedRE(`\b(?:date|seen|interview(?:ed)?|appt|call|tc|phone|visit|notes?)\b\W*(?:on|of)?\W*$`)
	countOfRE  = foldedRE(`^(?:in|within)(?: the next)? (\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve) ?(?:calendar )?(days?|w(?:ee)?ks?|fortnights?|m(?:on)?ths?|years?)\b`)
	soleDayRE  = foldedRE(`^` + weekdayPattern + `$`)
	dayThenRE  = foldedRE(`^(?:` + weekdayPattern + `\b[.,]? ?)?(?:the )?(\d{1,2})(?:st|nd|rd|th)? (?:of )?(` + monthPattern + `)\b`)
	slashRE    = foldedRE(`^(?:` + weekdayPattern + `\b[.,]? ?)?(\d{1,2})/(\d{1,2})$`)
)

// resolve returns the day that a date means, read against the day of the notes;
// "" where that is not certain ("next Tues", "w/e 14/3").
func resolve(value, notes string) string {
	if isoDateRE.MatchString(value) && len(value) == len("2006-01-02") {
		return value
	}
	base, err := time.Parse(time.DateOnly, notes)
	if err != nil {
		return ""
	}
	lower := strings.ToLower(value)
	switch lower {
	case "today", "tonight", "2day", "2nite", "this morning", "this afternoon", "this evening":
		return notes
	case "tomorrow", "tmrw", "tmw", "tomoz", "tomo", "2moro", "2morrow":
		return base.AddDate(0, 0, 1).Format(time.DateOnly)
	case "yesterday":
		return base.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	if m := slashRE.FindStringSubmatch(lower); m != nil {
		return nearest(base, m[1], m[2])
	}
	if m := dayThenRE.FindStringSubmatch(lower); m != nil && !strings.ContainsAny(lower[len(m[0]):], "0123456789") {
		return nearest(base, m[1], strconv.Itoa(monthNumber(m[2])))
	}
	if m := countOfRE.FindStringSubmatch(lower); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			n = int(tenses[m[1]])
		}
		switch m[2][0] {
		case 'd':
			return base.AddDate(0, 0, n).Format(time.DateOnly)
		case 'w':
			return base.AddDate(0, 0, 7*n).Format(time.DateOnly)
		case 'f':
			return base.AddDate(0, 0, 14*n).Format(time.DateOnly)
		}
		return ""
	}
	if soleDayRE.MatchString(lower) {
		for n := 1; n <= 7; n++ {
			if day := base.AddDate(0, 0, n); strings.HasPrefix(strings.ToLower(day.Weekday().String()), lower[:3]) {
				return day.Format(time.DateOnly)
			}
		}
	}
	return ""
}

// nearest returns the day of the month whose year brings it nearest to a day.
func nearest(base time.Time, day, month string) string {
	best, apart := "", time.Duration(1<<62)
	for year := base.Year() - 1; year <= base.Year()+1; year++ {
		iso := isoDay(strconv.Itoa(year), month, day)
		t, err := time.Parse(time.DateOnly, iso)
		if err != nil {
			continue
		}
		if d := t.Sub(base).Abs(); d < apart {
			best, apart = iso, d
		}
	}
	return best
}

var soonRE = foldedRE(`\b(?:today|tonight|2day|2nite|tomorrow|tmrw|tmw|tomoz|urgent)\b`)

func urgency(f Fact) string {
	switch {
	case urgentRE.MatchString(f.Text), soonRE.MatchString(f.Text):
		return "urgent"
	case f.Deadline != "":
		return "dated"
	}
	return ""
}

// visibleIn tells whether a stretch of the line may be repeated.
func (l *Line) visibleIn(s span) bool { return len(l.hiddenIn(s)) == 0 }

// parties returns the people and the creditors that the notes name.
func (r *Record) parties() (people, creditors []Mention) {
	seen := map[string]bool{}
	add := func(list *[]Mention, l *Line, s span, role string) {
		name := l.Text[s.start:s.end]
		if key := strings.ToLower(name); !seen[key] && l.visibleIn(s) {
			seen[key] = true
			*list = append(*list, Mention{Place{l.Number, s.start, s.end}, name, role})
		}
	}
	for i := range r.Lines {
		l := &r.Lines[i]
		for _, m := range relationRE.FindAllStringSubmatchIndex(l.Text, -1) {
			role := strings.ToLower(strings.Trim(l.Text[m[0]:m[2]], " ,("))
			add(&people, l, span{m[2], m[3]}, role)
		}
		for _, m := range titledRE.FindAllStringIndex(l.Text, -1) {
			role := ""
			if r.subjects.owner(l.Text[m[0]:m[1]]) == Client {
				role = "client"
			}
			add(&people, l, span{m[0], m[1]}, role)
		}
		for _, m := range properRE.FindAllStringIndex(l.Text, -1) {
			name := strings.ToLower(l.Text[m[0]:m[1]])
			switch {
			case r.subjects.owner(name) == Client:
				add(&people, l, span{m[0], m[1]}, "client")
			case r.subjects.people[name]:
			case r.subjects.others[name] || listedOthers[name] && len(name) > 2 || organisation.MatchString(name):
				add(&creditors, l, span{m[0], m[1]}, "")
			}
		}
	}
	return people, creditors
}

var titledRE = pattern.MustCompile(`\b(?:Mr|Mrs|Ms|Miss|Dr|Mx)\.? \p{Lu}[\p{L}'’-]+(?: \p{Lu}[\p{L}'’-]+)?`)

var owedCueRE = foldedRE(`\b(?:ow(?:e|es|ed|ing)|arrears|arrs|debts?|balance|bal|overdrawn|o/d|overdraft|loan|card|catalogue|ccj|outstanding|o/s|fine|penalt\w+|overpa\w+|liability order|behind|bill)\b`)

// debts returns the amounts of a line that are owed.
func (r *Record) debts(l *Line) []Debt {
	var all []Debt
	from := 0
	for _, f := range l.Facts {
		if f.Kind != Amount {
			continue
		}
		if f.Superseded {
			continue
		}
		start := from
		from = f.End
		if f.Internal || f.Period != "" {
			continue
		}
		tail := ahead(l.Text, f.End)
		if i := strings.IndexAny(tail, ".;,£"); i >= 0 {
			tail = tail[:i]
		}
		around := l.Text[max(start, f.Start-90):f.Start] + " " + tail
		if i := strings.LastIndexAny(around[:len(around)-len(tail)-1], ".;"); i >= 0 {
			around = around[i+1:]
		}
		d := Debt{Place: Place{l.Number, f.Start, f.End}, Amount: f.Value, Priority: UnknownPriority}
		for _, k := range debtKinds {
			if _, ok := k.re.find(lowerCase(around)); ok {
				d.Kind, d.Priority = k.name, Priority(k.class)
				break
			}
		}
		lead := l.Text[max(start, f.Start-90):f.Start]
		for _, m := range properRE.FindAllString(lead, -1) {
			name := strings.ToLower(m)
			if first, _, _ := strings.Cut(name, " "); r.subjects.owner(name) != Client && (r.subjects.others[name] || listedOthers[name] || organisation.MatchString(name) || r.subjects.others[first]) {
				d.Creditor = m
			}
		}
		if owedCueRE.MatchString(around) || d.Creditor != "" && d.Kind != "" || d.Creditor != "" && strings.TrimLeft(lead[strings.LastIndex(lead, d.Creditor)+len(d.Creditor):], " :|,-–\t") == "" {
			all = append(all, d)
		}
	}
	return all
}

// options returns the options that a line speaks of.
func options(l *Line) []Mention {
	var all []Mention
	lower := lowerCase(l.Text)
	for _, o := range optionTerms {
		if at, ok := o.re.find(lower); ok && l.visibleIn(at) {
			all = append(all, Mention{Place{l.Number, at.start, at.end}, o.name, ""})
		}
	}
	return all
}

// country tells under which law the client lives: the one that most lines show.
func (r *Record) country() Country {
	lines := map[string][]int{}
	for i := range r.Lines {
		lower := lowerCase(r.Lines[i].Text)
		for _, c := range countries {
			if at, ok := c.re.find(lower); ok && r.Lines[i].visibleIn(at) {
				lines[c.name] = append(lines[c.name], r.Lines[i].Number)
			}
		}
	}
	var out Country
	for _, c := range countries {
		if len(lines[c.name]) > len(out.Lines) {
			out.Name, out.Lines = c.name, lines[c.name]
		}
	}
	for _, c := range countries {
		if c.name != out.Name && len(lines[c.name]) > 0 {
			out.Conflicting = append(out.Conflicting, c.name)
		}
	}
	return out
}

// checklist says which items of a Confirmation of Advice the notes cover.
func (r *Record) checklist(a *Analysis) []Item {
	var all []Item
	lower := make([]string, len(r.Lines))
	for i := range r.Lines {
		lower[i] = lowerCase(r.Lines[i].Text)
	}
	for _, q := range checklist {
		it := Item{ID: q.id, Text: q.text, Presence: Absent}
		switch {
		case q.applies.re != nil && len(r.linesWith(q.applies, lower, 1)) == 0,
			q.countries != nil && a.Country.Name != "" && !slices.Contains(q.countries, a.Country.Name):
			it.Presence = NotApplicable
		case q.special != "":
			it.Lines = r.special(q.special, a)
		default:
			it.Lines = r.linesWith(q.present, lower, 3)
		}
		if it.Presence == Absent && len(it.Lines) > 0 {
			it.Presence = Present
		}
		all = append(all, it)
	}
	return all
}

// linesWith returns the first lines that hold a phrase and may be repeated.
func (r *Record) linesWith(p phraseSet, lower []string, limit int) []int {
	var lines []int
	for i := range r.Lines {
		if at, ok := p.find(lower[i]); ok && r.Lines[i].visibleIn(at) {
			if lines = append(lines, r.Lines[i].Number); len(lines) == limit {
				break
			}
		}
	}
	return lines
}

// special answers the items that no phrase shows.
func (r *Record) special(what string, a *Analysis) []int {
	var lines []int
	undated := false
	for _, f := range a.Facts {
		ours, yours := f.Kind == Action && f.Owner == Us, f.Kind == Action && f.Owner == Client
		if f.Internal {
			continue
		}
		undated = undated || (ours || yours) && f.Deadline == ""
		switch {
		case what == "date" && f.Kind == Date && f.Day != "" && f.Day == a.Date && len(lines) == 0,
			what == "ours" && ours, what == "yours" && yours, what == "deadlines" && (ours || yours):
			lines = append(lines, f.Line)
		}
	}
	if what == "deadlines" && undated {
		return nil
	}
	return slices.Compact(lines)
}
