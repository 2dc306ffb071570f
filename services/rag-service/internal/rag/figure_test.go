package rag

import "testing"

func TestSoughtFigure(t *testing.T) {
	for _, tc := range []struct {
		question, passage string
		want              bool
	}{
		{"What is the most a client can owe and still get a debt relief order?", "The debts must not be more than £50,000 in all.", true},
		{"What is the limit on debts?", "In force from 6 April 2009.", false},
		{"What share of creditors must agree?", "Three quarters, that is 75%, in value.", true},
		{"How long does breathing space last?", "It ends after 60 days.", true},
		{"How long does a moratorium last?", "It lasts one year.", true},
		{"How long does breathing space last?", "See regulation 24.", false},
		{"Is there a time limit on appeals?", "Within 21 days.", true},
	} {
		shape := soughtFigure(tc.question)
		if shape == nil {
			t.Errorf("%s: asks for no figure", tc.question)
		} else if got := shape.MatchString(tc.passage); got != tc.want {
			t.Errorf("%s: %q: %v", tc.question, tc.passage, got)
		}
	}
	for _, question := range []string{"Who can apply?", "Can a bailiff take the tools of the trade?"} {
		if soughtFigure(question) != nil {
			t.Errorf("%s: asks for a figure", question)
		}
	}
}
