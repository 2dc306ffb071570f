package note

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// foundIn lists the facts of a line as "kind text = value", with the period.
func foundIn(line string) []string {
	var out []string
	for _, f := range facts(line) {
		s := string(f.Kind) + " " + f.Text + " = " + f.Value
		if f.Period != "" {
			s += " a " + f.Period
		}
		out = append(out, s)
	}
	return out
}

func TestFacts(t *testing.T) {
	for _, tc := range []struct {
		line string
		want []string
	}{
		// Amounts.
		{"owes £1,200.50 now", []string{"amount £1,200.50 = £1,200.50"}},
		{"owes £ 85", []string{"amount £ 85 = £85.00"}},
		{"about 1200 pounds", []string{"amount 1200 pounds = £1,200.00"}},
		{"380 quid, I think", []string{"amount 380 quid = £380.00"}},
		{"loan 1.2k", []string{"amount 1.2k = £1,200.00"}},
		{"£2.5K card", []string{"amount £2.5K = £2,500.00"}},
		{"GBP 300", []string{"amount GBP 300 = £300.00"}},
		{"£45pw", []string{"amount £45pw = £45.00 a week"}},
		{"£45 per month", []string{"amount £45 per month = £45.00 a month"}},
		{"£45 p/m.", []string{"amount £45 p/m = £45.00 a month"}},
		{"£45 p.c.m. rent", []string{"amount £45 p.c.m. = £45.00 a month"}},
		{"wages 650 pcm", []string{"amount 650 pcm = £650.00 a month"}},
		{"£20 every 4 weeks", []string{"amount £20 every 4 weeks = £20.00 a four weeks"}},
		{"£9,000 pa", []string{"amount £9,000 pa = £9,000.00 a year"}},
		{"£5 a fortnight", []string{"amount £5 a fortnight = £5.00 a fortnight"}},
		{"offer £50-60", []string{"amount £50 = £50.00", "amount 60 = £60.00"}},
		{"fee of 85p a day", []string{"amount 85p = £0.85"}},
		{"arrears 450", []string{"amount 450 = £450.00"}},
		{"owes 1,200 to them", []string{"amount 1,200 = £1,200.00"}},
		{"typo £1,20 here", []string{"amount £1,20 = £1,20"}},
		{"paid 3 times, owes 4 creditors", nil},
		{"at 3pm and 10.30pm", nil},
		{"room 12, 3 kids", nil},

		// Dates.
		{"on 12/3/25", []string{"date 12/3/25 = 2025-03-12"}},
		{"on 12-03-2025", []string{"date 12-03-2025 = 2025-03-12"}},
		{"on 12.03.25.", []string{"date 12.03.25 = 2025-03-12"}},
		{"2025-03-12", []string{"date 2025-03-12 = 2025-03-12"}},
		{"by 12/3", []string{"date 12/3 = 12/3"}},
		{"the 12th of March 2025", []string{"date the 12th of March 2025 = 2025-03-12"}},
		{"12 Mar '25", []string{"date 12 Mar '25 = 2025-03-12"}},
		{"12 Mar 25", []string{"date 12 Mar 25 = 2025-03-12"}},
		{"March 12th, 2025", []string{"date March 12th, 2025 = 2025-03-12"}},
		{"12 March", []string{"date 12 March = 12 March"}},
		{"Fri 14 March 2025", []string{"date Fri 14 March 2025 = 2025-03-14"}},
		{"w/e 14/3", []string{"date w/e 14/3 = w/e 14/3"}},
		{"w/c 14/03/2025", []string{"date w/c 14/03/2025 = w/c 14/03/2025"}},
		{"March 2025", []string{"date March 2025 = 2025-03"}},
		{"since 2019", []string{"date 2019 = 2019"}},
		{"by end of March", []string{"date end of March = end of March"}},
		{"31/02/2025", []string{"date 31/02/2025 = 31/02/2025"}},
		{"dob 1/2/85", []string{"date 1/2/85 = 1985-02-01"}},
		{"dob 1/2/12", []string{"date 1/2/12 = 1/2/12"}},
		{"next Tues", []string{"date next Tues = next Tues"}},
		{"ring Thurs", []string{"date Thurs = Thurs"}},
		{"within 14 days", []string{"date within 14 days = within 14 days"}},
		{"two weeks ago", []string{"date two weeks ago = two weeks ago"}},
		{"tomorrow", []string{"date tomorrow = tomorrow"}},
		{"by the 14th", []string{"date the 14th = the 14th"}},
		{"on 1st visit; sat down; 24/7; 1/2 of it", nil},
		{"he may march", nil},

		// References, phone numbers, percentages.
		{"ref AB/123-4", []string{"reference AB/123-4 = AB/123-4"}},
		{"a/c 12345678", []string{"reference 12345678 = 12345678"}},
		{"account no: 8834 2201 77.", []string{"reference 8834 2201 77 = 8834 2201 77"}},
		{"sort code 00-11-22", []string{"reference 00-11-22 = 00-11-22"}},
		{"NINO QQ 12 34 56 C", nil}, // QQ is never issued
		{"NI no JG 10 37 59 A", []string{"reference JG 10 37 59 A = JG103759A"}},
		{"claim no J4QZ88X1 for £300", []string{"reference J4QZ88X1 = J4QZ88X1", "amount £300 = £300.00"}},
		{"account number 7712 0098 3 at the bank", []string{"reference 7712 0098 3 = 7712 0098 3"}},
		{"account number 7712 0098 3 letters", []string{"reference 7712 0098 = 7712 0098"}},
		{"UTR 1234567890", []string{"reference 1234567890 = 1234567890"}},
		{"rent (LHA 110.00), at 10.30", []string{"amount 110.00 = £110.00"}},
		{"ref 12345 650 pcm", []string{"reference 12345 = 12345", "amount 650 pcm = £650.00 a month"}},
		{"account 3 years old, case worker", nil},
		{"tel 020 7946 0123", []string{"phone 020 7946 0123 = 02079460123"}},
		{"on 07700 900461.", []string{"phone 07700 900461 = 07700900461"}},
		{"+44 7700 900461", []string{"phone +44 7700 900461 = 07700900461"}},
		{"(01632) 960 123", []string{"phone (01632) 960 123 = 01632960123"}},
		{"APR 29.9%", []string{"percentage 29.9% = 29.9%"}},
		{"25 per cent", []string{"percentage 25 per cent = 25%"}},
	} {
		t.Run(tc.line, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, foundIn(tc.line)); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestActions(t *testing.T) {
	for _, tc := range []struct {
		notes, owner, value, deadline string
	}{
		{"I'll ring Lowell Fri", "us", "ring Lowell Fri", "Fri"},
		{"I will write to the council by 12/3", "us", "write to the council by 12/3", "12/3"},
		{"We’ll send the form tomorrow", "us", "send the form tomorrow", "tomorrow"},
		{"Adviser to draft budget", "us", "draft budget", ""},
		{"me to chase British Gas", "us", "chase British Gas", ""},
		{"client to send payslips before 3 May", "client", "send payslips before 3 May", "before 3 May"},
		{"CT to complete form asap", "client", "complete form asap", "asap"},
		{"CT will need to bring ID next Tues", "client", "bring ID next Tues", "next Tues"},
		{"we agreed she will call the jobcentre", "client", "call the jobcentre", ""},
		{"Agreed: CT to keep a diary", "client", "keep a diary", ""},
		{"CT: send statements by Friday", "client", "send statements by Friday", "Friday"},
		{"Send statements (CT)", "client", "Send statements (CT)", ""},
		{"told CT not to use the overdraft", "client", "not to use the overdraft", ""},
		{"Asked client to find letter dated 12/3", "client", "find letter dated 12/3", ""},
		{"Form to be signed by client by Monday", "client", "Form to be signed by client by Monday", "Monday"},
		{"CT to ring the fund (opens 1 March)", "client", "ring the fund (opens 1 March)", ""},
		{"CT to gather payslips before next appt 24/2", "client", "gather payslips before next appt 24/2", "before next appt 24/2"},
		{"We will appeal 1 month from 03/02/26", "us", "appeal 1 month from 03/02/26", "1 month from 03/02/26"},
		{"Gas with Brightspark (cust ref 0045-88812)\nBrightspark will suspend collections", "third_party", "suspend collections", ""},
		{"Spoke to Leila\nLeila to bring ID", "unknown", "bring ID", ""},
		{"If Lowell refuse, I'll complain", "us", "complain", ""},
		{"Lowell to confirm balance", "third_party", "confirm balance", ""},
		{"The council will put a hold on it until 1 June", "third_party", "put a hold on it until 1 June", "1 June"},
		{"Her mum will pay £20", "third_party", "pay £20", ""},
		{"Priya to check the figures", "unknown", "check the figures", ""},
		{"Will ring bailiffs today", "unknown", "ring bailiffs today", "today"},
		{"SFS to be sent to creditors", "unknown", "SFS to be sent to creditors", ""},
		{"Next steps:\n- Us: ring Lowell", "us", "ring Lowell", ""},
		{"Client to do:\n1. open post", "client", "open post", ""},
	} {
		t.Run(tc.notes, func(t *testing.T) {
			var got []string
			for _, f := range Read(tc.notes, DefaultClient).Facts() {
				if f.Kind == Action {
					got = append(got, string(f.Owner), f.Value, f.Deadline)
				}
			}
			if diff := cmp.Diff([]string{tc.owner, tc.value, tc.deadline}, got); diff != "" {
				t.Errorf("action (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoAction(t *testing.T) {
	for _, notes := range []string{
		"I rang Lowell", "CT will be 65 in June", "CT might apply for a DRO", "CT to apply for DRO?", "CT wants to keep the car",
		"CT will lose her home", "CT can't send statements", "I will not ring", "spoke to Lowell", "CT to court 12/3", "explained breathing space",
		"CT used to work at the mill", "CT due to start work Monday",
	} {
		for _, f := range Read(notes, DefaultClient).Facts() {
			if f.Kind == Action {
				t.Errorf("%q: action %q of %s", notes, f.Value, f.Owner)
			}
		}
	}
}

func TestTheClientByName(t *testing.T) {
	s := Read("Ms Okoye to bring ID", "Ms Dara Okoye").Sections()
	if len(s.Yours) != 1 || s.Yours[0].Text != "Bring ID." {
		t.Errorf("sections: %+v", s)
	}
}

func letterOf(notes string) string {
	s := Read(notes, DefaultClient).Sections()
	return text(s.Matters, "") + "\n" + text(s.Ours, "") + "\n" + text(s.Yours, "")
}

func TestInternalMatterStaysOut(t *testing.T) {
	for _, tc := range []struct{ notes, secret, stays string }{
		{"INTERNAL: zebra", "zebra", ""},
		{"Internal - zebra", "zebra", ""},
		{"**INTERNAL** zebra", "zebra", ""},
		{"confidential: zebra\nRent £500", "zebra", "£500"},
		{"Rent £500. INTERNAL: zebra, zebra again", "zebra", "£500"},
		{"Rent £500 (internal: zebra) and gas", "zebra", "gas"},
		{"Rent £500 [not for letter - zebra]", "zebra", "£500"},
		{"zebra - not for letter", "zebra", ""},
		{"zebra (not for letter)\nRent", "zebra", "Rent"},
		{"zebra. Not to go in letter.", "zebra", ""},
		{"don't put in letter that zebra", "zebra", ""},
		{"she told me in confidence that zebra", "zebra", ""},
		{"INTERNAL:\n- zebra\n- zebra two\n\nRent £500", "zebra", "£500"},
		{"Internal notes (not for letter)\nzebra\nDebts:\n- £500", "zebra", "£500"},
		{"--- internal ---\nzebra\n\nzebra\n--- end internal ---\nRent £500", "zebra", "£500"},
		{"INTERNAL: first\n   zebra goes on\nRent £500", "zebra", "£500"},
		{"I'll ring Lowell (staff only: zebra)", "zebra", "Lowell"},
		{"INTERNAL: I'll zebra him\nCT to send zebras: no", "I'll", "zebras"},
		{"keep this out of the letter: zebra", "zebra", ""},
		{"FOR FILE ONLY: zebra", "zebra", ""},
		{"off the record zebra", "zebra", ""},
		{"do not tell CT: zebra", "zebra", ""},
	} {
		t.Run(tc.notes, func(t *testing.T) {
			r := Read(tc.notes, DefaultClient)
			letter := letterOf(tc.notes)
			if strings.Contains(letter, tc.secret+" ") || tc.stays == "" && strings.Contains(letter, tc.secret) || strings.Contains(strings.ReplaceAll(letter, "zebras", ""), tc.secret) {
				t.Errorf("letter holds internal matter:\n%s", letter)
			}
			if !strings.Contains(letter, tc.stays) {
				t.Errorf("letter lacks %q:\n%s", tc.stays, letter)
			}
			if len(r.Warnings) == 0 {
				t.Error("no warning says what was left out")
			}
			for _, m := range r.messages() {
				if m.Role == "user" && strings.Contains(strings.ReplaceAll(m.Content, "zebras", ""), "zebra") {
					t.Errorf("the model would see internal matter:\n%s", m.Content)
				}
			}
		})
	}
}

func TestOrdinaryMatterIsNotInternal(t *testing.T) {
	for _, notes := range []string{
		"Explained that our service is confidential", "council internal review asked for", "private landlord: £600 pcm",
		"Explained confidentiality and consent", "CT rents privately",
	} {
		if strings.TrimSpace(letterOf(notes)) == "" {
			t.Errorf("%q was held back", notes)
		}
	}
}

func TestCorrections(t *testing.T) {
	for _, tc := range []struct{ notes, has, lacks string }{
		{"owes £340, no, £304", "£304", "£340"},
		{"owes £340 no £304", "£304", "£340"},
		{"owes £340. No, £304.", "£304", "£340"},
		{"owes £340 (sorry, £304)", "£304.", "£340"},
		{"owes £340 - correction £304 to Lowell", "£304 to Lowell", "£340"},
		{"owes £304 not £340", "£304", "£340"},
		{"owes £304 (not £340)", "£304.", "£340"},
		{"hearing 12/3, no 13/3", "13/3", "12/3"},
		{"hearing Tues - sorry Weds", "Weds", "Tues"},
		{"ref AB1234, no, ref AB1235", "AB1235", "AB1234"},
		{"rent £500\nelectric £40\nCorrection: rent should be £550 not £500", "Rent £550", "£500"},
		{"rate 29%, scratch that, 39%", "39%", "29%"},
	} {
		t.Run(tc.notes, func(t *testing.T) {
			letter := letterOf(tc.notes)
			if !strings.Contains(letter, tc.has) || strings.Contains(letter, tc.lacks) {
				t.Errorf("want %q and not %q in:\n%s", tc.has, tc.lacks, letter)
			}
		})
	}
	if letter := letterOf("pays £340 and £304"); !strings.Contains(letter, "£340") || !strings.Contains(letter, "£304") {
		t.Errorf("two amounts are not a correction:\n%s", letter)
	}
}

func TestShortForms(t *testing.T) {
	for notes, want := range map[string]string{
		"CT owes £5":               "The client owes £5.",
		"CT arrears £5":            "CT arrears £5.",
		"rang CT's bank":           "Rang the client's bank.",
		"w/o a DD pymt":            "Without a direct debit payment.",
		"UC £5 pw":                 "Universal Credit (UC) £5 a week.",
		"ref DD1234 stays":         "Ref DD1234 stays.",
		"w/e 14/3 stays as it is":  "W/e 14/3 stays as it is.",
		"Client & partner, no DRO": "Client & partner, no debt relief order (DRO).",
	} {
		if got := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(letterOf(notes)), "- ")); got != want {
			t.Errorf("%q: %q, want %q", notes, got, want)
		}
	}
}
