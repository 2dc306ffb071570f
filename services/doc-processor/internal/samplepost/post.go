package samplepost

import (
	"fmt"
	"strings"

	"signpost.internal/pkg/samplemanuals"
)

// Letters returns two letters: a council's in serif type, a bank's in sans.
func Letters() ([]Document, error) {
	council := newSetter("council letter", serif, 11)
	s := council
	s.line(left, sansBold, 17, "Westmarch Borough Council")
	s.y += 10
	s.lines(-62, "Revenues Service", "Civic Centre, 4 Quay Street", "Westmarch WM1 4QS", "Telephone: 01632 960 145")
	s.lines(left, "Mrs Eleri Pugh-Davies", "27 Larkspur Close", "Westmarch", "WM6 2RT")
	s.lines(left, "Date: 14 October 2026", "Account reference: 7020 4418 36")
	s.heading("Council tax 2026/27: final notice")
	s.para("Dear Mrs Pugh-Davies")
	s.para("We wrote to you on 2 September 2026 about your council tax for 27 Larkspur Close. Our records show that the instalments due on 1 August and 1 September have not been paid, and that £386.42 is now overdue. You have therefore lost the right to pay by instalments.")
	s.para("The whole of the amount outstanding for the year, £1,159.26, must reach us by 28 October 2026. If it does not, we will ask the magistrates' court for a liability order. The court costs of £84.50 will be added to what you owe.")
	s.para("A liability order lets us take money from your wages or benefits, or pass the debt to enforcement agents, whose fees start at £75.00 and rise to £310.00 when they visit your home. We would much rather agree an affordable arrangement with you before that.")
	s.para("If you are on a low income you may qualify for council tax reduction, which can be backdated by up to three months. Please call 01632 960 145 between 9am and 5pm, Monday to Friday, quoting reference 7020 4418 36. You can get free and confidential advice from any money advice charity.")
	s.para("Yours sincerely")
	s.y += 26
	s.lines(left, "J. Okonkwo-Reid", "Recovery Team Manager")
	s.numbers("14 October 2026", "7020 4418 36", "£386.42", "£1,159.26", "28 October 2026", "£84.50", "£75.00", "£310.00", "01632 960 145", "2 September 2026")

	bank := newSetter("bank letter", sans, 10)
	s = bank
	s.line(-62, sansBold, 20, "Harbour & Vale Bank")
	s.lines(-62, "PO Box 118, Leeds LS1 9ZZ")
	s.lines(left, "Mr T Achterberg", "Flat 9, 110 Mill Lane", "Tiverton EX16 5AB")
	s.lines(left, "5 November 2026", "Our ref: HVB/COL/0093417-K", "Sort code 30-91-74   Account 44018266")
	s.heading("Notice of sums in arrears (Consumer Credit Act 1974)")
	s.para("Dear Mr Achterberg,")
	s.para("Your loan agreement 0093417 is in arrears. You missed the payments of £142.17 that fell due on 3 September 2026 and 3 October 2026, and a default fee of £12.00 has been added under clause 7(b). The arrears stand at £296.34 and the balance of the loan at £4,871.09.")
	s.heading("What you need to do")
	s.para("Please pay £296.34 by 26 November 2026, or call our Financial Support team on 0345 496 0881 to tell us what you can afford. Interest continues at 18.9% APR (1.45% a month) while the account is in arrears.")
	s.para("If we do not hear from you we may issue a default notice. A default stays on your credit file for six years and can make it harder to borrow, to rent a home or to open an account.")
	s.heading("Help from outside the bank")
	s.para("Citizens Advice, StepChange Debt Charity and National Debtline give free, independent advice. An information sheet from the Financial Conduct Authority is enclosed. You can also apply for breathing space, which stops most interest and enforcement for 60 days.")
	s.para("Yours sincerely,")
	s.y += 22
	s.lines(left, "Priya Venkataraman", "Head of Customer Support")
	s.block(left, right-left, 7.5, "Harbour & Vale Bank plc is authorised by the Prudential Regulation Authority and regulated by the Financial Conduct Authority and the Prudential Regulation Authority. Registered in England No. 01928374. Calls may be recorded and monitored.")
	s.numbers("5 November 2026", "HVB/COL/0093417-K", "30-91-74", "44018266", "£142.17", "3 September 2026", "3 October 2026", "£12.00", "£296.34", "£4,871.09", "26 November 2026", "0345 496 0881", "18.9%", "1.45%")
	return finish(council, bank)
}

// Bills returns an energy bill with a ruled table and a water bill with an aligned one.
func Bills() ([]Document, error) {
	energy := newSetter("energy bill", sans, 9.5)
	s := energy
	s.line(left, sansBold, 18, "Brightmoor Energy")
	s.lines(-62, "Customer number 85 1120 7743 09", "Bill date: 21 October 2026", "Bill period: 19 July to 18 October 2026")
	s.lines(left, "Ms Oluwaseun Bright", "3 Foundry Terrace", "Gateshead NE8 1LH")
	s.heading("Your electricity and gas bill")
	s.para("You owe £612.88. Please pay by 9 November 2026. This includes £201.15 carried over from your last bill.")
	s.table(true, []float64{150, 80, 70, -85, -85},
		[]string{"Charge", "Reading", "Units", "Rate", "Amount"},
		[]string{"Electricity used", "48213 (E)", "742 kWh", "24.86p", "£184.46"},
		[]string{"Electricity standing charge", "", "92 days", "61.64p", "£56.71"},
		[]string{"Gas used", "09977 (A)", "1,604 kWh", "6.24p", "£100.09"},
		[]string{"Gas standing charge", "", "92 days", "31.43p", "£28.92"},
		[]string{"VAT at 5%", "", "", "", "£18.51"},
		[]string{"Late payment fee", "", "", "", "£23.04"},
		[]string{"Total for this bill", "", "", "", "£411.73"})
	s.heading("If you are struggling to pay")
	s.para("Tell us as soon as you can on 0800 048 0202. We can agree a payment plan, set up Fuel Direct from your benefits, or fit a prepayment meter that collects the debt at a rate you can afford. We will not cut off a home with anyone of pension age, disabled or seriously ill in winter.")
	s.para("Your tariff is Standard Variable. It has no end date and no exit fee. Meter serial numbers: electricity E14Z 033915, gas M0162 7750 8.")
	s.block(left, right-left, 7.5, "Estimated readings are marked E and actual ones A. Gas units are converted to kWh with a calorific value of 39.4 and a volume correction of 1.02264. Complaints: write to us at 1 Turbine Way, Leeds LS9 8AB, or after eight weeks to the Energy Ombudsman.")
	s.numbers("85 1120 7743 09", "21 October 2026", "£612.88", "9 November 2026", "£201.15", "£184.46", "£56.71", "£100.09", "£28.92", "£18.51", "£23.04", "£411.73", "48213", "09977", "24.86p", "61.64p")

	water := newSetter("water bill", serif, 10.5)
	s = water
	s.line(left, serifBold, 16, "Severnside Water")
	s.lines(left, "Mr & Mrs P. Llewellyn, 8 Capel Road, Chepstow NP16 7QF")
	s.lines(left, "Account 330-0875512-4", "Issued 30 September 2026")
	s.heading("Your half-yearly charges")
	s.table(false, []float64{250, 120, -101},
		[]string{"Service", "Period", "Charge"},
		[]string{"Water supply, unmetered", "Apr to Sep", "£118.36"},
		[]string{"Sewerage, unmetered", "Apr to Sep", "£157.03"},
		[]string{"Surface water drainage", "Apr to Sep", "£19.50"},
		[]string{"Payments received, thank you", "14 May 2026", "-£90.00"},
		[]string{"Balance to pay", "", "£204.89"})
	s.para("Please pay £204.89 by 31 October 2026 at any PayPoint or by direct debit. Water companies may not cut off a home for unpaid bills, but we may go to the county court and ask for a judgment.")
	s.para("Mae cymorth ar gael os ydych yn cael trafferth talu. Ffoniwch ni ar 0330 303 0277 i drafod cynllun talu.")
	s.para("If you receive certain benefits and have three or more children under 19, or a medical condition that needs much water, the WaterSure scheme caps your bill at £447.00 a year.")
	s.numbers("330-0875512-4", "30 September 2026", "£118.36", "£157.03", "£19.50", "£90.00", "£204.89", "31 October 2026", "0330 303 0277", "£447.00")
	return finish(energy, water)
}

// Statements returns a credit card's statement of two pages.
func Statements() ([]Document, error) {
	s := newSetter("card statement", sans, 8.5)
	s.line(left, sansBold, 16, "Meridian Card Services")
	s.lines(-62, "Statement date 12 October 2026", "Card ending 4471", "Reference MCS-2291-0476")
	s.lines(left, "Mr Gethin Roberts", "61 Station Road", "Wrexham LL11 2AE")
	s.para("Previous balance £2,318.64. New balance £2,427.45. Minimum payment £68.20, to reach us by 6 November 2026. Credit limit £2,500.00. Estimated interest next month £51.17.")
	shops := []string{"Northgate Grocers", "Pennywell Fuels", "City Link Buses", "Orchard Pharmacy", "Cash advance fee", "Hillside Hardware", "Telford Telecom", "Mill Lane Nursery", "Payment received", "Borough Parking", "Riverbank Books", "Castle Street Vets"}
	rows := [][]string{{"Date", "Details", "Ref", "Out", "In"}}
	for i := range 52 {
		date := fmt.Sprintf("%02d %s", 13+i%17, "Sep")
		if i >= 17 {
			date = fmt.Sprintf("%02d %s", 1+i%12, "Oct")
		}
		amount := fmt.Sprintf("%d.%02d", 3+(i*37)%190, (i*53+7)%100)
		shop := shops[i%len(shops)]
		row := []string{date, shop, fmt.Sprintf("%06d", 104729+i*7919%790000), amount, ""}
		if shop == "Payment received" {
			row[3], row[4] = "", amount
		}
		rows = append(rows, row)
		s.numbers(amount)
	}
	widths := []float64{55, 175, 80, -80, -80}
	s.table(false, widths, rows[:36]...)
	s.line(left, s.body, 7.5, "Page 1 of 2   Continued overleaf")
	s.turnPage()
	s.line(left, sansBold, 10, "Meridian Card Services: statement of 12 October 2026")
	s.y += 6
	s.table(false, widths, append(rows[:1:1], rows[36:]...)...)
	s.heading("Persistent debt")
	s.para("Over the last 18 months you have paid more in interest and charges than you have repaid of what you borrowed. Please try to pay more each month: £122.60 a month would clear your balance in 24 months. If you cannot, call 0161 496 0555.")
	s.para("We charge interest at 2.134% a month (28.8% APR) from the date of each purchase. Late payment: £12.00. Over limit: £12.00. Returned payment: £12.00.")
	s.line(left, s.body, 7.5, "Page 2 of 2")
	s.numbers("12 October 2026", "4471", "MCS-2291-0476", "£2,318.64", "£2,427.45", "£68.20", "6 November 2026", "£2,500.00", "£51.17", "£122.60", "0161 496 0555", "2.134%", "28.8%")
	return finish(s)
}

// Leaflets returns a leaflet in two columns.
func Leaflets() ([]Document, error) {
	s := newSetter("leaflet", serif, 10)
	s.line(left, sansBold, 18, "Breathing space: a guide for tenants")
	s.y += 10
	const gap = 26.0
	width := (right - left - gap) / 2
	top := s.y
	columns := [2][]string{{
		"Breathing space gives a person with problem debt sixty days in which most creditors may not add interest or fees, write or call about the debt, or send enforcement agents. It does not write off anything, and you should go on paying what you can.",
		"Only a debt adviser who is authorised by the Financial Conduct Authority, or a local council that gives debt advice, can start it. You ask the adviser, and the adviser checks whether it is right for you. There is no charge.",
		"The debts that count are most personal debts: credit cards, store cards, overdrafts, payday loans, rent and mortgage arrears, council tax and utility bills. Student loans, fines, child maintenance and debts from fraud do not count.",
		"During the sixty days the adviser looks at your income and spending with you and tells you which solutions there are. Halfway through there is a review, and the space can end early if you do not keep to its terms.",
	}, {
		"Your landlord may not evict you because of rent arrears that are in the breathing space. But you must pay the rent that falls due meanwhile. If you fall behind with it, the adviser may have to end the space and the landlord may go on.",
		"People who are receiving mental health crisis treatment can have a space of another kind, which lasts as long as the treatment and thirty days more. An approved mental health professional confirms the treatment.",
		"When the space ends creditors may add interest again and go on with what they had begun, so it is best to have chosen a solution by then: a repayment plan, a debt relief order, an individual voluntary arrangement or bankruptcy.",
		"Ask your adviser for a copy of the letter that the Insolvency Service sends to the creditors. It names each debt, and the date on which the space ends. Keep it with you: it is the quickest answer to a call at the door.",
	}}
	deepest := top
	for i, column := range columns {
		s.y = top
		for _, text := range column {
			s.block(left+float64(i)*(width+gap), width, s.size, text)
		}
		deepest = max(deepest, s.y)
	}
	s.y = deepest + 6
	s.line(left, sans, 8, "Printed October 2026. This leaflet is general guidance and no substitute for advice.")
	return finish(s)
}

// Manual returns a manual of at least so many pages, with running headers and footers.
func Manual(markdown string, pages int) (Document, error) {
	head, body := "---\ntitle: Adviser's handbook\nedition: 4\neffective: 1 November 2026\nstated: 1 November 2026\njurisdiction: England and Wales\nform: text\n---\n", markdown
	if parts := strings.SplitN(markdown, "---\n", 3); len(parts) == 3 {
		body = parts[2]
	}
	one, _, err := samplemanuals.Render(head+body, samplemanuals.Text)
	if err != nil {
		return Document{}, err
	}
	manual, pdf, err := samplemanuals.Render(head+strings.Repeat(body+"\n", (pages+len(one.Pages)-1)/len(one.Pages)), samplemanuals.Text)
	if err != nil {
		return Document{}, err
	}
	return Document{Name: "manual", PDF: pdf, Pages: manual.Pages}, nil
}

func finish(setters ...*setter) ([]Document, error) {
	var all []Document
	for _, s := range setters {
		d, err := s.done()
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}
