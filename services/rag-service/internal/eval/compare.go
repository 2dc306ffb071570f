package eval

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Write prints a report: all questions and each kind.
func (r Report) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "kind\tquestions\tpage recall@5\tpage MRR\tdocument nDCG@10\tkey facts@5\tprecision@5\tfalse refusals\tright refusals\tp50 ms\tp99 ms\t")
	row(t, "all", r.Summary)
	for _, kind := range kinds {
		if s, ok := r.Kinds[kind]; ok {
			row(t, string(kind), s)
		}
	}
	return t.Flush()
}

func row(w io.Writer, name string, s Summary) {
	fmt.Fprintf(w, "%s\t%d\t", name, s.Answerable+s.Unanswerable)
	if s.Answerable > 0 {
		fmt.Fprintf(w, "%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%d of %d\t", s.Pages, s.Reciprocal, s.Documents, s.Facts, s.Precision, s.FalseRefusals, s.Answerable)
	} else {
		fmt.Fprint(w, "\t\t\t\t\t\t")
	}
	if s.Unanswerable > 0 {
		fmt.Fprintf(w, "%d of %d\t", s.RightRefusals, s.Unanswerable)
	} else {
		fmt.Fprint(w, "\t")
	}
	fmt.Fprintf(w, "%.1f\t%.1f\t\n", s.P50, s.P99)
}

// Compare prints how a report differs from an earlier one of the same questions:
// the figures side by side, then every question that went another way.
func Compare(w io.Writer, before, after Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tbefore\tafter\tchange\t")
	for _, x := range []struct {
		name          string
		before, after float64
	}{
		{"page recall@5", before.Summary.Pages, after.Summary.Pages},
		{"page MRR", before.Summary.Reciprocal, after.Summary.Reciprocal},
		{"document nDCG@10", before.Summary.Documents, after.Summary.Documents},
		{"key facts@5", before.Summary.Facts, after.Summary.Facts},
		{"precision@5", before.Summary.Precision, after.Summary.Precision},
		{"false refusals", float64(before.Summary.FalseRefusals), float64(after.Summary.FalseRefusals)},
		{"right refusals", float64(before.Summary.RightRefusals), float64(after.Summary.RightRefusals)},
		{"p50 ms", before.Summary.P50, after.Summary.P50},
		{"p99 ms", before.Summary.P99, after.Summary.P99},
	} {
		fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%+.3f\t\n", x.name, x.before, x.after, x.after-x.before)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	earlier := map[string]Result{}
	for _, r := range before.Results {
		earlier[r.ID] = r
	}
	for _, r := range after.Results {
		was, ok := earlier[r.ID]
		switch {
		case !ok:
			fmt.Fprintf(w, "new: %s\n", r.ID)
		case was.Pages != r.Pages || was.Refused != r.Refused:
			fmt.Fprintf(w, "%s (%s): page recall %s, refused %t → %t\n", r.ID, r.Kind, change(was.Pages, r.Pages), was.Refused, r.Refused)
		}
		delete(earlier, r.ID)
	}
	for id := range earlier {
		fmt.Fprintf(w, "gone: %s\n", id)
	}
	return nil
}

func change(before, after float64) string {
	if before < 0 && after < 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f → %.2f", before, after)
}

// WriteMisses lists the questions that went wrong.
func (r Report) WriteMisses(w io.Writer, s Set) {
	text := map[string]string{}
	for _, q := range s.Questions {
		text[q.ID] = q.Question
	}
	for _, x := range r.Results {
		switch {
		case x.Pages >= 0 && (x.Pages < 1 || x.Refused):
			fmt.Fprintf(w, "%s: page recall %.2f, best at %d, refused %t: %s\n", x.ID, x.Pages, x.First, x.Refused, text[x.ID])
		case x.Pages < 0 && !x.Refused:
			fmt.Fprintf(w, "%s: not refused: %s\n", x.ID, text[x.ID])
		}
	}
}
