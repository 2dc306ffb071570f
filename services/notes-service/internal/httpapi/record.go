package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/problem"
	"signpost.internal/services/notes-service/internal/drafting"
	"signpost.internal/services/notes-service/internal/note"
)

// registerRecord adds the route of the case record.
func (a *API) registerRecord(router gin.IRouter) {
	router.POST("/analyse", httpserver.Limit(maxBody, 30*time.Second), problem.Handler(a.analyse))
}

// proofBody is the part of a letter's answer that defends it.
type proofBody struct {
	Checks        []checkBody      `json:"checks"`
	Missing       []itemBody       `json:"missing"`
	Provenance    []provenanceBody `json:"provenance"`
	ReadingAge    float64          `json:"reading_age"` // in years
	PromptVersion string           `json:"prompt_version"`
	Repaired      bool             `json:"repaired"` // whether the model was asked a second time
}

// checkBody is what the proof made of one statement of the draft.
type checkBody struct {
	Section note.Section `json:"section"`
	Text    string       `json:"text"`
	Lines   []int        `json:"lines"`
	Outcome note.Outcome `json:"outcome"`
	Reason  string       `json:"reason"` // empty when it was proved
}

// provenanceBody ties a sentence of the letter to the lines it rests on.
type provenanceBody struct {
	Section note.Section `json:"section"`
	Text    string       `json:"text"`
	Lines   []int        `json:"lines"`
}

// itemBody is an item of the checklist.
type itemBody struct {
	ID       string        `json:"id"`
	Text     string        `json:"text"`
	Presence note.Presence `json:"presence"`
	Lines    []int         `json:"lines"`
}

func proofOf(l *note.Letter) proofBody {
	out := proofBody{
		Checks: []checkBody{}, Missing: items(l.Missing()), Provenance: []provenanceBody{},
		ReadingAge: l.ReadingAge, PromptVersion: note.PromptVersion, Repaired: l.Repaired,
	}
	for _, c := range l.Checks {
		out.Checks = append(out.Checks, checkBody{c.Section, c.Text, numbers(c.Lines), c.Outcome, c.Reason})
	}
	for _, p := range l.Provenance {
		out.Provenance = append(out.Provenance, provenanceBody{p.Section, p.Text, numbers(p.Lines)})
	}
	return out
}

// numbers is never null in JSON.
func numbers(lines []int) []int { return append([]int{}, lines...) }

func items(list []note.Item) []itemBody {
	out := []itemBody{}
	for _, it := range list {
		out = append(out, itemBody{it.ID, it.Text, it.Presence, numbers(it.Lines)})
	}
	return out
}

// fact is what the notes say, with its place. Of internal matter it tells the
// place only.
type fact struct {
	Kind       note.Kind `json:"kind"`
	Value      string    `json:"value"`
	Text       string    `json:"text"`
	Line       int       `json:"line"`
	Start      int       `json:"start"` // bytes within the line
	End        int       `json:"end"`
	Period     string    `json:"period,omitempty"`
	Day        string    `json:"day,omitempty"` // the day that a date means, where that is certain
	Internal   bool      `json:"internal,omitempty"`
	Superseded bool      `json:"superseded,omitempty"`
}

// action is a fact of that kind.
type action struct {
	fact
	Owner    note.Owner `json:"owner"`
	Deadline *string    `json:"deadline"` // as said; null when the notes say none
	Urgency  string     `json:"urgency"`  // urgent, dated or empty
}

// factsOf returns facts and actions for the wire.
func factsOf(all []note.Fact) []any {
	out := make([]any, len(all))
	for i, f := range all {
		plain := fact{
			Kind: f.Kind, Value: f.Value, Text: f.Text, Line: f.Line, Start: f.Start, End: f.End, Period: f.Period, Day: f.Day,
			Internal: f.Internal, Superseded: f.Superseded,
		}
		out[i] = plain
		if f.Kind == note.Action {
			a := action{fact: plain, Owner: f.Owner, Urgency: f.Urgency}
			if f.Deadline != "" {
				a.Deadline = &f.Deadline
			}
			out[i] = a
		}
	}
	return out
}

type placeBody struct {
	Line  int `json:"line"`
	Start int `json:"start"`
	End   int `json:"end"`
}

type mentionBody struct {
	Name string `json:"name"`
	Role string `json:"role,omitempty"`
	placeBody
}

type debtBody struct {
	Creditor string        `json:"creditor"`
	Kind     string        `json:"kind"`
	Amount   string        `json:"amount"`
	Priority note.Priority `json:"priority"`
	placeBody
}

type correctionBody struct {
	Kind note.Kind `json:"kind"`
	Old  string    `json:"old"`
	New  string    `json:"new"` // empty where nothing takes its place
	placeBody
	NewLine int `json:"new_line"`
}

type countryBody struct {
	Name        string   `json:"name"` // england_wales, scotland, northern_ireland, or empty
	Lines       []int    `json:"lines"`
	Conflicting []string `json:"conflicting"`
}

// record is the body of POST /analyse.
type record struct {
	Date         string           `json:"date"` // of the notes
	Facts        []any            `json:"facts"`
	Actions      []any            `json:"actions"`
	People       []mentionBody    `json:"people"`
	Creditors    []mentionBody    `json:"creditors"`
	Debts        []debtBody       `json:"debts"`
	Options      []mentionBody    `json:"options"`
	Corrections  []correctionBody `json:"corrections"`
	Internal     []placeBody      `json:"internal"`
	Checklist    []itemBody       `json:"checklist"`
	Missing      []itemBody       `json:"missing"`
	Jurisdiction countryBody      `json:"jurisdiction"`
	TwoClients   bool             `json:"two_clients"`
	ClientLines  []int            `json:"two_clients_lines"`
	Warnings     []string         `json:"warnings"`
	// ToSettle counts the warnings that the adviser must settle.
	ToSettle int `json:"to_settle"`
}

func (a *API) analyse(c *gin.Context) error {
	var req order
	if err := httpserver.BindJSON(c, &req); err != nil {
		return err
	}
	r, err := req.request()
	if err != nil {
		return err
	}
	name := r.Client
	if strings.TrimSpace(name) == "" {
		name = note.DefaultClient
	}
	c.JSON(http.StatusOK, recordOf(note.Read(r.Notes, name).Analyse()))
	return nil
}

func recordOf(a *note.Analysis) record {
	out := record{
		Date: a.Date, Facts: []any{}, Actions: []any{}, People: mentions(a.People), Creditors: mentions(a.Creditors), Options: mentions(a.Options),
		Debts: []debtBody{}, Corrections: []correctionBody{}, Internal: []placeBody{}, Checklist: items(a.Checklist), Missing: []itemBody{},
		Jurisdiction: countryBody{a.Country.Name, numbers(a.Country.Lines), append([]string{}, a.Country.Conflicting...)},
		TwoClients:   len(a.TwoClients) > 0, ClientLines: numbers(a.TwoClients),
		Warnings: append([]string{}, a.Warnings...), ToSettle: a.Doubts,
	}
	for _, f := range factsOf(a.Facts) {
		if _, ok := f.(action); ok {
			out.Actions = append(out.Actions, f)
		} else {
			out.Facts = append(out.Facts, f)
		}
	}
	for _, d := range a.Debts {
		out.Debts = append(out.Debts, debtBody{d.Creditor, d.Kind, d.Amount, d.Priority, placeOf(d.Place)})
	}
	for _, x := range a.Corrections {
		out.Corrections = append(out.Corrections, correctionBody{x.Kind, x.Old, x.New, placeOf(x.Place), x.NewLine})
	}
	for _, p := range a.Internal {
		out.Internal = append(out.Internal, placeOf(p))
	}
	for _, it := range out.Checklist {
		if it.Presence == note.Absent {
			out.Missing = append(out.Missing, it)
		}
	}
	return out
}

func placeOf(p note.Place) placeBody { return placeBody{p.Line, p.Start, p.End} }

func mentions(list []note.Mention) []mentionBody {
	out := []mentionBody{}
	for _, m := range list {
		out = append(out, mentionBody{m.Name, m.Role, placeOf(m.Place)})
	}
	return out
}

// draft makes a draft and records that it was made.
func (a *API) draft(c *gin.Context, r drafting.Request) (*drafting.Draft, error) {
	d, err := a.options.Drafts.Draft(c.Request.Context(), r)
	if err != nil {
		return nil, err
	}
	return d, a.keep(c.Request.Context(), d, r, httpserver.Caller(c))
}
