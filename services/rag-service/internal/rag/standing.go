package rag

import (
	"cmp"
	"fmt"
	"time"
)

// Standing says how a document stands on a day, by its metadata.
type Standing string

// How it may stand.
const (
	Undated    Standing = ""           // its metadata names no days
	InForce    Standing = "in_force"   // within its days, as far as they are known
	Superseded Standing = "superseded" // its last day has passed
	NotYet     Standing = "not_yet"    // its first day is still to come
)

// standing returns how the document with these metadata stands on a day.
func (m Metadata) standing(day string) Standing {
	switch {
	case m.From == "" && m.Until == "":
		return Undated
	case m.Until != "" && m.Until < day:
		return Superseded
	case m.From != "" && m.From > day:
		return NotYet
	}
	return InForce
}

// note is the standing in words, for behind a document's name.
func (s Standing) note() string {
	switch s {
	case Superseded:
		return " (superseded)"
	case NotYet:
		return " (not in force yet)"
	case Undated, InForce:
	}
	return ""
}

// Standing returns how the passage's document stands on the day on which the
// question is asked.
func (q Question) Standing(p Passage) Standing { return p.standing(q.day()) }

// day is the day for which a question is asked, today unless it says another.
func (q Question) day() string { return cmp.Or(q.Filter.On, time.Now().Format(time.DateOnly)) }

// inForce names the days of the metadata; empty when there are none.
func (m Metadata) inForce() string {
	switch {
	case m.From != "" && m.Until != "":
		return fmt.Sprintf("in force from %s until %s", plainDay(m.From), plainDay(m.Until))
	case m.From != "":
		return "in force from " + plainDay(m.From)
	case m.Until != "":
		return "in force until " + plainDay(m.Until)
	}
	return ""
}

// plainDay writes 2006-01-02 as 2 January 2006.
func plainDay(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.Format("2 January 2006")
}
