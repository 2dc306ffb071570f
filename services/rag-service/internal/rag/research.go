package rag

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"signpost.internal/pkg/provider"
)

// The bounds of a question that is asked in steps.
const (
	MaxIterations     = 5
	DefaultIterations = 3
	// longQuestion is how many words a question has that a model is asked to split
	// where the rules find one part.
	longQuestion = 16
	// maxMerged bounds the passages of all parts together.
	maxMerged = 12
)

// StepKind says what is done in a step.
type StepKind string

// The kinds of steps, in their order.
const (
	Analysis   StepKind = "analysis"   // the question is cut into parts
	Retrieval  StepKind = "retrieval"  // a part is searched for
	Synthesis  StepKind = "synthesis"  // the answer is written and checked
	Evaluation StepKind = "evaluation" // what the answer rests on
)

// Step is something that was done on the way to an answer.
type Step struct {
	Kind        StepKind
	Description string
	Result      string
	Question    string    // what was searched for, of a Retrieval
	Found       []Passage // what it brought that was not there before
	Dropped     []Dropped // what it brought besides
}

// Dropped is a passage that was found and is not used.
type Dropped struct {
	Passage
	Reason string
}

// Level is how far an answer can be relied on.
type Level string

// The levels, as the first word of a confidence.
const (
	High   Level = "HIGH"
	Medium Level = "MEDIUM"
	Low    Level = "LOW"
)

// Research is an answer with the steps that led to it.
type Research struct {
	Answer
	Steps      []Step
	Iterations int // searches
	// Confidence is measured by what the answer rests on, not rated by a model.
	Confidence Level
	Reason     string // of the confidence
}

// part is a part of a question with what was found for it.
type part struct {
	question string
	covered  bool
	numbers  []int // of its passages in the answer, from 1
}

// Investigate answers a question in steps: it is cut into parts, each is searched
// for, and the answer is written from what they found together. At most iterations
// searches are made. It fails as [Service.Ask] does.
func (s *Service) Investigate(ctx context.Context, q Question, iterations int, l Listener) (Research, error) {
	began := time.Now()
	if iterations < 1 || iterations > MaxIterations {
		return Research{}, invalid("max_iterations", fmt.Sprintf("must be from 1 to %d", MaxIterations))
	}
	if err := s.askable(ctx, q); err != nil {
		return Research{}, err
	}
	w := &work{service: s, q: q, listener: l, left: iterations}
	w.Answer = Answer{Mode: Passages, Provider: provider.None, Searched: s.language.searched(q.Text, q.History)}
	if err := w.analyse(ctx); err != nil {
		return Research{}, err
	}
	for i := range w.parts {
		if err := w.find(ctx, &w.parts[i]); err != nil {
			return Research{}, err
		}
	}
	w.Timings.Search = time.Since(began)
	if err := w.write(ctx); err != nil {
		return Research{}, err
	}
	if err := ctx.Err(); err != nil {
		return Research{}, err
	}
	w.evaluate()
	w.Timings.Total = time.Since(began)
	return w.Research, nil
}

// work is an investigation under way.
type work struct {
	Research
	service  *Service
	q        Question
	listener Listener
	left     int // searches
	parts    []part
}

func (w *work) step(s Step) {
	w.Steps = append(w.Steps, s)
	w.listener.tell(Event{Step: &s})
}

// analyse cuts the question by rule. Where the rules find one part in a long
// question, the model may find more.
func (w *work) analyse(ctx context.Context) error {
	s := w.service
	questions, remark := s.language.parts(w.Searched), ""
	if len(questions) == 1 && len(strings.Fields(w.q.Text)) >= longQuestion && w.left > 1 && s.generator.Status(ctx).Reachable {
		proposed, about, err := s.proposed(ctx, w.q)
		if err != nil {
			return err
		}
		if remark = about; len(proposed) > 1 {
			questions = proposed
		}
	}
	result := "The question asks one thing."
	if len(questions) > 1 {
		result = fmt.Sprintf("The question asks %d things: %s", len(questions), strings.Join(questions, " | "))
	}
	if over := len(questions) - w.left; over > 0 {
		result += fmt.Sprintf(". Only the first %d are searched for, as max_iterations is %d", w.left, w.left)
	}
	for i, q := range questions {
		p := part{question: q}
		if i >= w.left {
			p.question = "" // not pursued
		}
		w.parts = append(w.parts, p)
	}
	w.step(Step{Kind: Analysis, Description: "Cut the question into parts", Result: strings.TrimSpace(result + " " + remark)})
	return nil
}

// find searches for a part.
func (w *work) find(ctx context.Context, p *part) error {
	if p.question == "" {
		return nil
	}
	found, err := w.search(ctx, p.question)
	if err != nil {
		return err
	}
	w.Notice = cmp.Or(found.Notice, w.Notice)
	if found.Refused {
		w.step(retrieved(p.question, "The manuals do not seem to cover this.", nil, dropAll(found.Passages, "does not support this part")))
		return nil
	}
	p.covered = true
	var fresh []Passage
	var dropped []Dropped
	for _, passage := range found.Passages {
		at := slices.IndexFunc(w.Passages, passage.within)
		switch {
		case at >= 0:
			p.numbers = append(p.numbers, at+1)
			dropped = append(dropped, Dropped{passage, fmt.Sprintf("found before, as [%d]", at+1)})
		case len(w.Passages) == maxMerged:
			dropped = append(dropped, Dropped{passage, fmt.Sprintf("more than the %d passages that are used together", maxMerged)})
		default:
			w.Passages, fresh = append(w.Passages, passage), append(fresh, passage)
			p.numbers = append(p.numbers, len(w.Passages))
		}
	}
	w.step(retrieved(p.question, fmt.Sprintf("Passages found: %d, of them new: %d.", len(found.Passages), len(fresh)), fresh, dropped))
	return nil
}

func (w *work) search(ctx context.Context, question string) (Answer, error) {
	w.left--
	w.Iterations++
	q := w.q
	q.Text, q.History = question, nil
	n := q.TopK
	if n == 0 {
		n = defaultTopK
	}
	return w.service.retrieve(ctx, q, n, w.service.search)
}

func retrieved(question, result string, found []Passage, dropped []Dropped) Step {
	return Step{Kind: Retrieval, Description: "Search the manuals", Result: result, Question: question, Found: found, Dropped: dropped}
}

func dropAll(passages []Passage, reason string) []Dropped {
	out := make([]Dropped, len(passages))
	for i, p := range passages {
		out[i] = Dropped{p, reason}
	}
	return out
}

// open are the parts that the manuals do not cover or that were not searched for.
func (w *work) open() (uncovered []string, unasked int) {
	for _, p := range w.parts {
		switch {
		case p.question == "":
			unasked++
		case !p.covered:
			uncovered = append(uncovered, p.question)
		}
	}
	return uncovered, unasked
}

// write writes the answer from all passages and says what it leaves open.
func (w *work) write(ctx context.Context) error {
	s := w.service
	w.Refused = len(w.Passages) == 0
	w.Conflicts = s.language.conflicts(w.Searched, w.Passages, w.q.day())
	if w.Refused { // with what was nearest
		for i := len(w.Steps) - 1; i >= 0; i-- {
			for _, d := range w.Steps[i].Dropped {
				if len(w.Passages) < defaultTopK {
					w.Passages = append(w.Passages, d.Passage)
				}
			}
		}
	}
	w.listener.tell(Event{Found: &Answer{Passages: w.Passages, Refused: w.Refused, Searched: w.Searched}})
	if err := s.compose(ctx, w.q, &w.Answer, w.listener); err != nil {
		return err
	}
	uncovered, unasked := w.open()
	if !w.Refused {
		var more []string
		for _, q := range uncovered {
			more = append(more, "The manuals do not seem to cover this part: “"+q+"”.")
		}
		if unasked > 0 {
			more = append(more, fmt.Sprintf("Of the question's %d parts, searched for: %d. Ask for the rest by itself.", len(w.parts), len(w.parts)-unasked))
		}
		if len(more) > 0 {
			text := "\n\n" + strings.Join(more, "\n")
			w.Text += text
			w.listener.tell(Event{Text: text})
		}
	}
	result := fmt.Sprintf("Sentences proved: %d, unsupported and left out: %d.", len(w.Sentences), len(w.Unsupported))
	switch {
	case w.Refused:
		result = fmt.Sprintf("No answer that the manuals prove; unsupported sentences left out: %d.", len(w.Unsupported))
	case w.Mode == Passages:
		result = fmt.Sprintf("Passages quoted as they are: %d.", len(w.Passages))
	}
	w.step(Step{Kind: Synthesis, Description: "Write the answer and check it sentence by sentence", Result: result})
	return nil
}

// The shares from which an answer's evidence counts as good.
const (
	goodShare = 0.8
	poorShare = 0.5
)

// evaluate measures what the answer rests on: how many parts the manuals cover
// and the answer speaks of, how many of the model's sentences were proved, and
// whether the passages agree.
func (w *work) evaluate() {
	answered, documents := 0, map[string]bool{}
	cited := map[int]bool{}
	for _, sentence := range w.Sentences {
		for _, n := range sentence.Citations {
			cited[n] = true
			documents[w.Passages[n-1].Source] = true
		}
	}
	for _, p := range w.parts {
		if slices.ContainsFunc(p.numbers, func(n int) bool { return cited[n] }) {
			answered++
		}
	}
	coverage := float64(answered) / float64(len(w.parts))
	proved := 1.0
	if all := len(w.Sentences) + len(w.Unsupported); all > 0 && w.Mode == Generated {
		proved = float64(len(w.Sentences)) / float64(all)
	}
	w.Confidence = Medium
	switch {
	case w.Refused || coverage < poorShare || proved < poorShare:
		w.Confidence = Low
	case coverage == 1 && proved >= goodShare && len(w.Conflicts) == 0:
		w.Confidence = High
	}
	reasons := []string{fmt.Sprintf("parts answered: %d of %d, from documents: %d", answered, len(w.parts), len(documents))}
	if w.Refused {
		reasons = []string{"the manuals prove no answer"}
	} else if w.Mode == Generated {
		reasons = append(reasons, fmt.Sprintf("sentences proved: %d of %d", len(w.Sentences), len(w.Sentences)+len(w.Unsupported)))
	}
	if len(w.Conflicts) > 0 {
		reasons = append(reasons, "the manuals state different figures")
	} else if !w.Refused {
		reasons = append(reasons, "no differing figures found")
	}
	w.Reason = strings.Join(reasons, "; ")
	w.step(Step{Kind: Evaluation, Description: "Measure what the answer rests on", Result: w.Reason})
}
