package note

import (
	"strings"
	"testing"
)

// Each way of marking matter as internal keeps "walrus" out of the letter and
// leaves "teapot", which is not marked, in it.
func TestFormsOfInternalMatter(t *testing.T) {
	for _, notes := range []string{
		"(conf) has a walrus.\nBought a teapot.",
		"off record - walrus.\nBought a teapot.",
		"NFD - walrus.\nBought a teapot.",
		"NTS: walrus.\nBought a teapot.",
		"Note to self: walrus.\nBought a teapot.",
		"FILE NOTE: walrus.\nBought a teapot.",
		"For supervisor:\nwalrus\n\nBought a teapot.",
		"INTERNAL\n\nwalrus\n\nBought a teapot.",
		"Bought a teapot.\nHas a walrus.\n^^ above line not for letter",
		"Bought a teapot.\n\nHas a walrus.\nLast line is confidential.",
		"Next 2 lines confidential:\nwalrus\nwalrus\nBought a teapot.",
		"The following is not for the letter\nwalrus\nBought a teapot.",
		"<internal>\nwalrus\n</internal>\nBought a teapot.",
		"Bought a teapot. <conf>walrus</conf>",
		"Bought a teapot {note to self - walrus}.",
		"Private & confidential - adviser eyes only\nwalrus\n\nBought a teapot.",
		"Has a walrus, do not disclose.\nBought a teapot.",
		"Has a walrus. She does not want it known.\nBought a teapot.",
		"Has a walrus, please leave this out.\nBought a teapot.",
		"Between us the walrus is not hers.\nBought a teapot.",
		"My view - the walrus is not his.\nBought a teapot.",
		"I don't think he'll feed the walrus.\nBought a teapot.",
		"He is not being straight about the walrus.\nBought a teapot.",
		"Office use only: walrus.\nBought a teapot.",
		"Husband must not know of the walrus.\nBought a teapot.",
		"Told me about the walrus in confidence.\nBought a teapot.",
		"Omit the walrus from the letter.\nBought a teapot.",
		"The walrus shouldn't be in the letter.\nBought a teapot.",
	} {
		letter := letterOf(notes)
		if strings.Contains(strings.ToLower(letter), "walrus") {
			t.Errorf("%q: the letter has it", notes)
		}
		if !strings.Contains(letter, "teapot") {
			t.Errorf("%q: the letter has lost the rest", notes)
		}
	}
}

// Each way of correcting a figure leaves the right one, £304, in the letter and
// not the wrong one.
func TestFormsOfCorrection(t *testing.T) {
	for _, notes := range []string{
		"Owes Dune £340, no, £304.",
		"Owes Dune £340, scrap that, £304.",
		"Owes Dune £340 - tell a lie, £304.",
		"Owes Dune £340 (hang on, £304).",
		"Owes Dune £340 -> £304.",
		"Owes Dune £340 → £304.",
		"Owes Dune ~~£340~~ £304.",
		"Owes Dune £304 not £340.",
		"Owes Dune £304 rather than £340.",
		"Owes Dune not £340 but £304.",
		"Owes Dune £340.\n*£304",
		"Fernbank £88, Dune £340.\nCorrection: Dune is £304.",
		"Dune card, she reckons £340.\nUpdate: Dune statement shows £304.",
		"First thought £340 surplus. On checking it's £304.",
		"Owes Dune £340.\nSorry - £340 should be £304.",
	} {
		letter := letterOf(notes)
		if strings.Contains(letter, "£340") || !strings.Contains(letter, "£304") {
			t.Errorf("%q: the letter says\n%s", notes, letter)
		}
	}
}

// Figures that are no corrections stay as they are.
func TestNoCorrection(t *testing.T) {
	for _, notes := range []string{
		"Owes Dune £340 and Pellow £304.",
		"Rent goes up from £340 to £304.",
		"Dune £340.\nUpdate: Pellow £304.",
		"Surplus £340.\nCorrect debts are listed: Dune £304.",
		"Pays £340 now and £304 in May.",
	} {
		letter := letterOf(notes)
		if !strings.Contains(letter, "£340") || !strings.Contains(letter, "£304") {
			t.Errorf("%q: the letter says\n%s", notes, letter)
		}
	}
}

// Each way of saying who is to do something puts it under that heading, with its
// deadline.
func TestFormsOfActions(t *testing.T) {
	for notes, ours := range map[string]bool{
		"1. Send budget to Dune (us) by 10/3":                               true,
		"- Send budget to Dune (client) by 10/3":                            false,
		"Send budget to Dune by 10/3 - me":                                  true,
		"Send budget to Dune -> cl, by 10/3":                                false,
		"Action us: send budget to Dune by 10/3":                            true,
		"Action cl: send budget to Dune by 10/3":                            false,
		"Example: send budget to Dune by 10/3":                              false,
		"I'm to send budget to Dune by 10/3.":                               true,
		"Example is to send budget to Dune by 10/3.":                        false,
		"Intermediary (us) to send budget to Dune by 10/3":                  true,
		"CAB to send budget to Dune by 10/3":                                true,
		"I said I'd send budget to Dune by 10/3.":                           true,
		"Client said she would send budget to Dune by 10/3.":                false,
		"It was agreed that we would send budget to Dune by 10/3.":          true,
		"Agreed with the client that she will send budget to Dune by 10/3.": false,
		"Gonna send budget to Dune by 10/3 myself":                          true,
		"We agreed a plan, and Example is to send budget to Dune by 10/3.":  false,
		"WE TO SEND BUDGET TO DUNE BY 10/3:":                                true,
	} {
		s := Read(notes, "Ms Ann Example").Sections()
		right, wrong := text(s.Yours, ""), text(s.Ours, "")
		if ours {
			right, wrong = wrong, right
		}
		right, wrong = strings.ToLower(right), strings.ToLower(wrong)
		if !strings.Contains(right, "send budget to dune") || !strings.Contains(right, "10/3") || strings.Contains(wrong, "budget") {
			t.Errorf("%q: ours %t: ours %q, the client's %q", notes, ours, text(s.Ours, ""), text(s.Yours, ""))
		}
	}
}
