// Package understand says what a document is and what it asks for: its class and
// whether the debt in it is a priority one, who wrote to whom, under which
// reference, how much, by when, and what happens otherwise. It proposes a file
// name, and where a bundle of scanned letters falls into parts.
//
// It works by rules. Every value is a span of the document's text, with the page
// and, where the words' places are known, the box that it came from; what is not
// there to be found is null, with the reason. All of it is a proposal: nothing is
// renamed, split or deleted.
package understand

import "signpost.internal/services/doc-processor/internal/document"

// Class is what sort of document it is.
type Class string

// The classes.
const (
	BankStatement       Class = "bank_statement"
	CreditCardStatement Class = "credit_card_statement"
	LoanAgreement       Class = "loan_agreement"
	DebtLetter          Class = "debt_collection_letter"
	CourtDocument       Class = "court_document"
	BenefitStatement    Class = "benefit_statement"
	UniversalCredit     Class = "universal_credit_statement"
	UtilityBill         Class = "utility_bill"
	RentStatement       Class = "rent_statement"
	CouncilTaxBill      Class = "council_tax_bill"
	IncomeEvidence      Class = "income_evidence"
	ExpenditureEvidence Class = "expenditure_evidence"
	Other               Class = "other"
)

// Priority says how pressing a document of its class is.
type Priority string

// The priorities. The first is for debts whose creditors can take a home, goods,
// liberty, fuel or a means of living.
const (
	PriorityDebt    Priority = "priority_debt"
	NonPriorityDebt Priority = "non_priority_debt"
	Income          Priority = "income_evidence"
	Expenditure     Priority = "expenditure_evidence"
	NoPriority      Priority = "other"
)

// Page is a page's text.
type Page struct {
	Number int // from 1
	Text   string
	// Attachment is the name of the attachment that the page is of.
	Attachment string
	// Margin is what runs along other pages too and so is no part of the text, as
	// "Page 2 of 3".
	Margin string
	// Doubts are the numbers that were read with doubt.
	Doubts []string
	// Words are the page's words at their places, in the order of the text; none
	// where the places are not known.
	Words []Word
}

// Document is what is to be understood.
type Document struct {
	Pages []Page
	// Kind is the file's format, which decides the suggested name's ending.
	Kind document.Kind
	// Taken are file names that are not to be suggested.
	Taken []string
}

// Span is a piece of a page's text.
type Span struct {
	Page int    `json:"page"`
	From int    `json:"from"` // in characters of the page's text
	To   int    `json:"to"`
	Text string `json:"text"`
	// Box is where it is on the page: left, top, right and bottom in fractions of
	// the page; null where that is not known.
	Box *[4]float64 `json:"box"`
}

// Field is a value that was looked for.
type Field struct {
	// Value is the value in a plain form: a date as 2025-06-30, an amount as
	// 1450.00, words as they stand; null when it was not found.
	Value *string `json:"value"`
	Label string  `json:"label,omitempty"` // what the document calls it
	Span  *Span   `json:"span"`
	// Doubtful is whether a number in it was read with doubt: look at the page.
	Doubtful bool `json:"doubtful,omitempty"`
	// Reason says why there is no value.
	Reason string `json:"reason,omitempty"`
}

// Deadline is by when something is to be done.
type Deadline struct {
	Field
	// Reckoned is the date that a time such as "within 14 days of the date of
	// this letter" ends on, counted from the letter's date; null where the day
	// from which it counts is not in the document.
	Reckoned *string `json:"reckoned"`
	// Consequence is the sentence that says what happens otherwise.
	Consequence Field `json:"consequence"`
}

// Fields are the key fields.
type Fields struct {
	Creditor         Field    `json:"creditor"`
	OriginalCreditor Field    `json:"original_creditor"`
	Client           Field    `json:"client"`
	Reference        Field    `json:"reference"`
	Amount           Field    `json:"amount"`
	Date             Field    `json:"date"`
	Deadline         Deadline `json:"deadline"`
	// All that were found, the chosen ones among them.
	References []Field `json:"references"`
	Amounts    []Field `json:"amounts"`
	Dates      []Field `json:"dates"`
}

// Part is one document of a bundle: pages that follow each other.
type Part struct {
	First    int      `json:"first_page"`
	Last     int      `json:"last_page"`
	Class    Class    `json:"class"`
	Kind     string   `json:"kind"` // finer than the class: "possession_claim"
	Priority Priority `json:"priority"`
	// Confidence is the share of the evidence that speaks for the kind, from 0 to 1.
	Confidence float64 `json:"confidence"`
	Evidence   []Span  `json:"evidence"`
	Reason     string  `json:"reason,omitempty"` // why the class is "other"
	Fields     Fields  `json:"fields"`
	// SuggestedName is a file name, never one that is taken.
	SuggestedName string `json:"suggested_name"`
	// Begins are the signs that a document begins here; none for the first part.
	Begins []string `json:"begins,omitempty"`
}

// Result is what was understood. Every page is in exactly one part.
type Result struct {
	Part         // the first part, which mostly is all there is
	Parts []Part `json:"parts"`
}

// Understand reads the document's text.
func Understand(doc Document) Result {
	var result Result
	names := newNames(doc.Taken)
	for _, run := range split(doc.Pages) {
		part := run.part()
		part.SuggestedName = names.suggest(part, doc.Kind)
		result.Parts = append(result.Parts, part)
	}
	if len(result.Parts) > 0 {
		result.Part = result.Parts[0]
	}
	return result
}
