package rag

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
)

// The bounds of a question.
const (
	MaxQuestion = 4000 // characters
	MaxTopK     = 20
	defaultTopK = 4
)

// Mode says where an answer's words come from.
type Mode string

// The modes of answers.
const (
	Generated Mode = "generated" // a model's words, each sentence checked against the passages
	Passages  Mode = "passages"  // the manuals' words only
)

// Question is what somebody asks.
type Question struct {
	Text  string
	Model string // empty for the configured one
	// Collection is where it is asked; empty for the default one.
	Collection string
	Filter     Filter
	TopK       int    // how many passages are wanted, 0 to MaxTopK
	History    []Turn // what was said before, the oldest first
}

// Answer is what the manuals say.
type Answer struct {
	Text     string
	Mode     Mode
	Refused  bool      // the manuals do not cover the question, or do not prove the answer
	Passages []Passage // best first; Text cites them as [1], [2], …
	// Searched is what was searched for: the question, with what it left to the
	// turns before it.
	Searched string
	// Sentences are those of the answer that cite passages, one by one.
	Sentences []Sentence
	// Unsupported are the model's sentences that are no part of the answer.
	Unsupported []Unsupported
	Conflicts   []Conflict // figures of the passages that differ
	Notice      string     // why the answer is less than it could be; may be empty
	Provider    string     // of the model that answered, even if nothing of its answer was kept; "none" when none did
	Model       string     // empty when none answered
	Fallback    string     // why it was not the first choice, in ASCII; empty when it was
	Usage       provider.Usage
	Timings     Timings
}

// Timings says where the time of an answer went. What did not happen took none.
type Timings struct {
	Search     time.Duration
	Queue      time.Duration // waited for a place on the model server
	FirstToken time.Duration // from asking the model to its first token
	Total      time.Duration
}

// Event is a step on the way to an answer. One of its fields is set.
type Event struct {
	// Found is the first step: the Passages, whether the question is Refused, what
	// was Searched for, and nothing else.
	Found *Answer
	// Step is one of an investigation that was taken; see [Service.Investigate].
	Step *Step
	// Text is the next piece of the answer: a sentence that was checked, or a
	// passage that is quoted. The pieces together are the answer's Text.
	Text string
	// Unsupported is a sentence of the model that is no piece of the answer.
	Unsupported *Unsupported
	// Seam says that the pieces so far are void, as the model failed in the middle
	// of its answer. Another begins anew, or the passages are given as they are:
	// then ToProvider is "none", and From is empty for the first model that spoke.
	Seam *provider.Seam
}

// Listener learns of each event at once; nil is nobody. It is called by one at a
// time and not after the answer.
type Listener func(Event)

// collection returns where the question is asked.
func (q Question) collection() string { return cmp.Or(q.Collection, DefaultCollection) }

func (l Listener) tell(e Event) {
	if l != nil {
		l(e)
	}
}

// Ask answers a question from the manuals. It fails with Invalid for a question,
// filter or model that is not acceptable, with NotFound for a collection that is
// not there, with Unavailable when nothing has been ingested, and with Busy when a
// model would answer and has no place free. The answer is the same with a listener
// and without.
func (s *Service) Ask(ctx context.Context, q Question, l Listener) (Answer, error) {
	began := time.Now()
	if err := s.askable(ctx, q); err != nil {
		return Answer{}, err
	}
	n := q.TopK
	if n == 0 {
		n = defaultTopK
	}
	a, err := s.retrieve(ctx, q, n, s.searchParts)
	if err != nil {
		return Answer{}, err
	}
	a.Timings.Search = time.Since(began)
	l.tell(Event{Found: &Answer{Passages: a.Passages, Refused: a.Refused, Searched: a.Searched}})
	if err := s.compose(ctx, q, &a, l); err != nil {
		return Answer{}, err
	}
	if err := ctx.Err(); err != nil {
		return Answer{}, err
	}
	a.Timings.Total = time.Since(began)
	return a, nil
}

// askable fails for a question that cannot be asked here.
func (s *Service) askable(ctx context.Context, q Question) error {
	if err := s.checkQuestion(q); err != nil {
		return err
	}
	if err := s.checkWhere(ctx, q); err != nil {
		return err
	}
	return s.filled(ctx, q.collection())
}

// retrieve finds the passages for an answer by a way to search.
func (s *Service) retrieve(ctx context.Context, q Question, n int, search func(context.Context, Question, int) (results, error)) (Answer, error) {
	searched := q
	searched.Text = s.language.searched(q.Text, q.History)
	found, err := search(ctx, searched, n)
	if err != nil {
		return Answer{}, err
	}
	return Answer{
		Mode: Passages, Passages: found.passages, Refused: !found.covered, Searched: searched.Text, Notice: found.notice, Provider: provider.None,
		Conflicts: s.language.conflicts(searched.Text, found.passages, q.day()),
	}, nil
}

// compose writes the answer. Where no model's words are used, these are the
// passages, with the reason. A notice of the search stays, in front.
func (s *Service) compose(ctx context.Context, q Question, a *Answer, l Listener) error {
	ofSearch := a.Notice
	a.Notice = ""
	defer func() { a.Notice = strings.TrimSpace(ofSearch + " " + a.Notice) }()
	if a.Refused {
		a.Conflicts = nil
		if len(a.Passages) == 0 && !q.Filter.empty() {
			a.Notice = "Nothing was found among the documents that the filter lets pass; without the filter there may be an answer."
		}
		a.say(l, refusal(q, a.Passages))
		return nil
	}
	status := s.generator.Status(ctx)
	if status.Reachable {
		return s.generate(ctx, q, status.Context, a, l)
	}
	if status.State != provider.Off {
		a.Notice = fmt.Sprintf("No model is ready (%s), so the passages are given as they are.", status.State)
		a.Fallback = string(status.State)
	}
	a.quote(l, q, "No model was used: none is configured, or none is ready.")
	return nil
}

// say makes the text the answer.
func (a *Answer) say(l Listener, text string) {
	a.Text = text
	for part := range strings.SplitAfterSeq(text, "\n\n") {
		l.tell(Event{Text: part})
	}
}

// quote makes the passages the answer, each its own proof.
func (a *Answer) quote(l Listener, q Question, why string) {
	text := quoted(q, a.Passages, why)
	if len(a.Conflicts) > 0 {
		text += "\n\n" + sideBySide(a.Conflicts, a.Passages)
	}
	a.Sentences = nil
	for i, p := range a.Passages {
		a.Sentences = append(a.Sentences, Sentence{
			Text: quotation(q, p, i+1), Citations: []int{i + 1}, Evidence: []Evidence{{Citation: i + 1, Quote: p.Quote}},
		})
	}
	a.say(l, text)
}

func invalid(field, detail string) error {
	return &fault.Error{Kind: fault.Invalid, Detail: "Some fields are not acceptable.", Fields: []fault.Field{{Name: field, Detail: detail}}}
}

func (s *Service) checkQuestion(q Question) error {
	switch {
	case strings.TrimSpace(q.Text) == "":
		return invalid("question", "is blank; ask something")
	case utf8.RuneCountInString(q.Text) > MaxQuestion:
		return invalid("question", fmt.Sprintf("is longer than %d characters; ask it in fewer words", MaxQuestion))
	case q.TopK < 0 || q.TopK > MaxTopK:
		return invalid("top_k", fmt.Sprintf("must be from 0 to %d", MaxTopK))
	}
	if err := checkHistory(q.History); err != nil {
		return err
	}
	return s.generator.CheckModel(q.Model)
}

// empty reports whether the filter lets all pass.
func (f Filter) empty() bool {
	return len(f.Sources)+len(f.Editions)+len(f.Jurisdictions) == 0 && f.On == ""
}

// maxFilter bounds the values of one condition of a filter.
const maxFilter = 100

// checkWhere fails for a collection that is not there, naming those that are, and
// for a filter that cannot be met.
func (s *Service) checkWhere(ctx context.Context, q Question) error {
	for _, condition := range []struct {
		name   string
		values []string
	}{{"filter.sources", q.Filter.Sources}, {"filter.editions", q.Filter.Editions}, {"filter.jurisdictions", q.Filter.Jurisdictions}} {
		if len(condition.values) > maxFilter {
			return invalid(condition.name, fmt.Sprintf("has %d values; at most %d are accepted", len(condition.values), maxFilter))
		}
	}
	if q.Filter.On != "" {
		if _, err := time.Parse(time.DateOnly, q.Filter.On); err != nil {
			return invalid("filter.on", "must be a day such as 2026-05-01")
		}
	}
	if q.Collection == "" || q.Collection == DefaultCollection {
		return nil
	}
	if err := CheckCollection(q.Collection); err != nil {
		return err
	}
	all, err := s.index.Collections(ctx)
	if err != nil {
		return err
	}
	names := make([]string, len(all))
	for i, c := range all {
		if names[i] = c.Name; c.Name == q.Collection {
			return nil
		}
	}
	return fault.Newf(fault.NotFound, "There is no collection %s. There are: %s.", q.Collection, strings.Join(names, ", "))
}

// generate lets the model, which holds so many tokens, answer, and falls back to
// the passages, with the reason, when it fails or nothing of its answer holds. A
// model without a free place is an error: soon there is a better answer than the
// passages.
func (s *Service) generate(ctx context.Context, q Question, holds int, a *Answer, l Listener) error {
	request, used := prompt(q, a.Passages, holds)
	response, proved, err := s.converse(ctx, request, a.Passages[:used], l)
	for errors.As(err, new(*provider.ContextError)) && used > 1 && proved.kept.Len() == 0 {
		used = (used + 1) / 2
		request, used = prompt(q, a.Passages[:used], holds)
		response, proved, err = s.converse(ctx, request, a.Passages[:used], l)
	}
	if err != nil {
		return s.fail(ctx, err, q, a, l)
	}
	a.Provider, a.Model, a.Fallback, a.Usage = response.Provider, response.Model, response.Fallback, response.Usage
	a.Timings.Queue, a.Timings.FirstToken = response.QueueTime, response.FirstToken
	a.Unsupported = proved.unsupported
	if proved.kept.Len() == 0 {
		a.Refused = true
		a.Notice = "The model's answer could not be proved from the passages, so it is not given; unsupported lists it with the reasons."
		a.say(l, unproved(q, a.Passages, "none of the sentences of the model's answer could be proved from the passages."))
		return nil
	}
	a.Mode, a.Text, a.Sentences = Generated, proved.kept.String(), proved.sentences
	if len(a.Conflicts) > 0 {
		more := "\n\n" + sideBySide(a.Conflicts, a.Passages)
		a.Text += more
		l.tell(Event{Text: more})
	}
	a.Notice = notice(proved, response.FinishReason, used, len(a.Passages))
	return nil
}

// notice says what a reader should know of a model's answer.
func notice(proved *checker, finish string, used, passages int) string {
	var notices []string
	switch removed := len(proved.unsupported); {
	case removed == 1:
		notices = append(notices, "One sentence of the model's answer was removed: the passages do not prove it.")
	case removed > 1:
		notices = append(notices, fmt.Sprintf("%d sentences of the model's answer were removed: the passages do not prove them.", removed))
	}
	if finish == provider.FinishLength {
		notices = append(notices, "The model's answer was too long and ends early.")
	}
	if used < passages {
		notices = append(notices, fmt.Sprintf("The model read only the first %d passages: more did not fit.", used))
	}
	for i, orders := range proved.orders {
		if orders != nil {
			notices = append(notices, fmt.Sprintf("Passage %d has words that are addressed to a machine: the model was not shown them, and they prove nothing.", i+1))
		}
	}
	return strings.Join(notices, " ")
}

// fail gives the passages in the place of a model's answer.
func (s *Service) fail(ctx context.Context, err error, q Question, a *Answer, l Listener) error {
	kind := fault.KindOf(err)
	if ctx.Err() != nil || kind == fault.Busy {
		return err
	}
	s.logger.WarnContext(ctx, "the model failed", "fault", kind.String(), "error", err)
	a.Notice = "The model failed, so the passages are given as they are. " + fault.DetailOf(err)
	a.Fallback = kind.String()
	a.quote(l, q, "No model was used: the model failed.")
	return nil
}

// converse has the model answer from the passages and checks what it says. A
// listener learns of each sentence when it is judged, and of each seam.
func (s *Service) converse(ctx context.Context, request provider.ChatRequest, passages []Passage, l Listener) (*provider.ChatResponse, *checker, error) {
	proved := s.language.newChecker(passages)
	if l == nil { // a call that nobody reads along may be repeated when it is cut
		response, err := s.generator.Chat(ctx, request)
		if err == nil {
			proved.add(response.Content)
			proved.finish(response.FinishReason == provider.FinishLength)
		}
		return response, proved, err
	}
	void := provider.Seam{ToProvider: provider.None}
	for event, err := range s.generator.ChatStream(ctx, request) {
		text, marked := "", len(proved.unsupported)
		switch {
		case err != nil:
			if proved.kept.Len() > 0 || marked > 0 {
				void.Reason = fault.KindOf(err).String()
				l.tell(Event{Seam: &void})
			}
			return nil, proved, err
		case event.Seam != nil:
			proved, marked = s.language.newChecker(passages), 0
			void.FromProvider, void.FromModel = event.Seam.ToProvider, event.Seam.ToModel
			l.tell(Event{Seam: event.Seam})
		case event.Final != nil:
			text = proved.finish(event.Final.FinishReason == provider.FinishLength)
		default:
			text = proved.add(event.Content)
		}
		if text != "" {
			l.tell(Event{Text: text})
		}
		for i := range proved.unsupported[marked:] {
			l.tell(Event{Unsupported: &proved.unsupported[marked+i]})
		}
		if event.Final != nil {
			return event.Final, proved, nil
		}
	}
	return nil, proved, fault.New(fault.Upstream, "The model's answer has no end.")
}
