package understand

import (
	"regexp"
	"slices"
	"strings"
)

// kind is a sort of document that the rules know, with the signs that speak for
// it.
type kind struct {
	name     string
	class    Class
	priority Priority
	signs    []sign
}

// sign is a wording and how much it says. In the first lines it says twice as
// much.
type sign struct {
	weight  int
	pattern *regexp.Regexp
}

// signs compiles wordings of one weight; spaces in them stand for any white space.
func signs(weight int, patterns ...string) []sign {
	all := make([]sign, len(patterns))
	for i, p := range patterns {
		all[i] = sign{weight, regexp.MustCompile(`(?i)` + strings.ReplaceAll(p, " ", `\s+`))}
	}
	return all
}

func join(groups ...[]sign) []sign { return slices.Concat(groups...) }

// kinds are in the order in which they win where the signs are equal: the more
// pressing first.
var kinds = []kind{
	{"eviction", CourtDocument, PriorityDebt, join(
		signs(10, `notice of eviction`, `\bN54\b`, `will evict you`), signs(4, `warrant of possession`, `warrant number`))},
	{"possession_claim", CourtDocument, PriorityDebt, join(
		signs(10, `claim form for possession`, `(?:form |\()N5B?\b`, `\bN5B? claim form`, `the claimant is claiming possession`), signs(5, `grounds for possession`, `possession claim online`))},
	{"possession_order", CourtDocument, PriorityDebt, join(
		signs(10, `order for possession`, `\bN2[68]A?\b`), signs(3, `give (?:the claimant )?possession`))},
	{"notice_seeking_possession", RentStatement, PriorityDebt, join(
		signs(10, `notice (?:of )?(?:seeking|requiring) possession`, `form (?:no\.? )?6A\b`, `section 21 notice`),
		signs(6, `form 3\b`, `housing act 1988 section 8`, `housing act 1985 section 83`, `section 21\b`, `notice to quit`))},
	{"liability_order_summons", CourtDocument, PriorityDebt, join(
		signs(10, `council tax summons`, `summons.{0,40}council tax`), signs(6, `you are summoned`, `complaint has been made`), signs(2, `liability order`, `summons costs`))},
	{"attachment_of_earnings", CourtDocument, PriorityDebt, join(
		signs(10, `attachment of earnings order`), signs(2, `deductions from the debtor's net earnings`))},
	{"fine", CourtDocument, PriorityDebt, join(
		signs(10, `notice of fine`, `collection order`, `fines? account number`), signs(4, `you were convicted`, `victim surcharge`), signs(2, `magistrates' court`))},
	{"enforcement_notice", DebtLetter, PriorityDebt, join(
		signs(10, `notice of enforcement`, `enforcement agent notice`, `controlled goods agreement`, `removal notice`, `to remove goods`),
		signs(5, `certificated enforcement agents?`, `writ of control`, `paragraph 7 schedule 12`, `high court enforcement`), signs(3, `enforcement agents? will`, `enforcement services`, `removing your goods`), signs(2, `liability order`, `compliance (?:stage )?fee`))},
	{"statutory_demand", CourtDocument, NonPriorityDebt, join(
		signs(10, `statutory demand`), signs(4, `section 268`, `bankruptcy petition`))},
	{"bankruptcy_petition", CourtDocument, NonPriorityDebt, signs(10, `creditor's bankruptcy petition`, `hearing of the petition`)},
	{"penalty_charge_notice", DebtLetter, NonPriorityDebt, join(
		signs(10, `penalty charge notice`, `unpaid penalty charge`, `charge certificate`, `penalty charge number`),
		signs(3, `traffic management act 2004`, `order for recovery`, `contravention`, `pcn number`))},
	{"parking_charge", DebtLetter, NonPriorityDebt, join(
		signs(12, `parking charge notice`), signs(4, `parking charge`))},
	{"judgment", CourtDocument, NonPriorityDebt, join(
		signs(10, `judgment for (?:the )?claimant`, `general form of judgment`, `\bN30\b`), signs(4, `register of judgments`, `it is (?:therefore )?ordered that`))},
	{"county_court_claim", CourtDocument, NonPriorityDebt, join(
		signs(8, `claim form\b`, `form N1\b`), signs(4, `particulars of claim`, `civil national business centre`, `county court business centre`), signs(2, `claim (?:number|no)`, `respond to this claim`))},
	{"letter_before_claim", DebtLetter, NonPriorityDebt, join(
		signs(9, `letter of claim`, `letter before (?:claim|action)`), signs(5, `pre-action protocol`))},
	{"disconnection_warning", UtilityBill, PriorityDebt, join(
		signs(6, `warrant to enter your home`, `disconnect your supply`, `(?:fit|install) a prepayment meter`, `notice of disconnection`, `warrant of entry`, `apply for a warrant`), signs(3, `final notice before action`), signs(2, `electricity|gas\b`))},
	{"mortgage_arrears", DebtLetter, PriorityDebt, join(
		signs(8, `mortgage (?:account )?(?:is |are )?in arrears`, `mortgage arrears`), signs(4, `mortgage account`), signs(2, `mortgage`))},
	{"hire_purchase_arrears", DebtLetter, PriorityDebt, join(
		signs(7, `hire[ -]purchase`, `conditional sale`), signs(3, `repossess the vehicle`))},
	{"tax_debt", DebtLetter, PriorityDebt, join(
		signs(6, `self assessment`, `unique taxpayer reference`, `\bVAT (?:and|registration|return)`), signs(3, `hm revenue (?:&|and) customs`), signs(3, `you owe`, `enforcement action`))},
	{"benefit_overpayment", DebtLetter, PriorityDebt, join(
		signs(8, `overpayment of`, `overpaid`, `tax credits overpayment`, `benefit overpayment`), signs(4, `dwp debt management`, `more (?:universal credit|benefit|housing benefit) than`))},
	{"tv_licence", DebtLetter, PriorityDebt, join(
		signs(9, `tv licensing`), signs(3, `tv licen[cs]e`))},
	{"council_tax_reminder", CouncilTaxBill, PriorityDebt, join(
		signs(11, `council tax reminder`, `council tax - final notice`, `council tax\b.{0,20}final notice`), signs(4, `lost? (?:the|your) right to pay by instalments`), signs(2, `council tax`))},
	{"council_tax_bill", CouncilTaxBill, PriorityDebt, join(
		signs(10, `council tax bill`), signs(3, `property band`, `council tax band`, `single person discount`), signs(2, `council tax`))},
	{"default_notice", DebtLetter, NonPriorityDebt, join(
		signs(11, `default notice`), signs(5, `section 87\(1\)`, `section 87`))},
	{"notice_of_arrears", DebtLetter, NonPriorityDebt, join(
		signs(11, `notice of sums in arrears`), signs(3, `consumer credit act 1974`))},
	{"notice_of_assignment", DebtLetter, NonPriorityDebt, join(
		signs(10, `notice of assignment`), signs(4, `was assigned to us`, `has been assigned`, `has been sold to`))},
	{"water_arrears", DebtLetter, NonPriorityDebt, join(
		signs(7, `overdue water charges`, `water charges? arrears`), signs(3, `cannot disconnect your water`), signs(2, `\bwater\b`))},
	{"rent_arrears", RentStatement, PriorityDebt, join(
		signs(8, `rent arrears`, `rent account is (?:now )?.{0,20}in arrears`), signs(4, `in rent\b`, `your tenancy`), signs(2, `rent account`))},
	{"rent_statement", RentStatement, PriorityDebt, join(
		signs(10, `rent statement`, `rent account statement`), signs(2, `tenancy reference`, `current arrears`))},
	{"universal_credit_statement", UniversalCredit, Income, join(
		signs(8, `universal credit\s+statement`), signs(5, `assessment period`, `standard allowance`), signs(3, `your payment this month`, `universal credit`))},
	{"benefit_decision", BenefitStatement, Income, join(
		signs(6, `personal independence payment`, `housing benefit decision`, `general increase in benefits`, `employment and support allowance`, `attendance allowance`, `carer's allowance`, `state pension`, `child benefit`, `pension credit`, `jobseeker's allowance`, `council tax (?:reduction|support) decision`),
		signs(4, `mandatory reconsideration`, `you are entitled to`, `will be £[\d.,]+ a week`, `new weekly amount`), signs(2, `housing benefit`, `a week\b`))},
	{"iva_proposal", Other, NonPriorityDebt, signs(10, `individual voluntary arrangement`, `\bIVA proposal`)},
	{"debt_relief_order", CourtDocument, NonPriorityDebt, signs(10, `debt relief order`)},
	{"loan_agreement", LoanAgreement, NonPriorityDebt, join(
		signs(10, `(?:fixed-sum )?loan agreement`, `credit agreement regulated by`), signs(3, `amount of credit`, `representative apr`, `total amount payable`))},
	{"loan_statement", LoanAgreement, NonPriorityDebt, signs(10, `statement of your .{0,20}loan`, `loan statement`, `statement of your (?:fixed-sum )?credit agreement`)},
	{"energy_bill", UtilityBill, PriorityDebt, join(
		signs(5, `electricity and gas bill`, `(?:gas|electricity|energy) (?:bill|statement)`), signs(3, `standing charges?`, `\bkWh\b`, `gas used`), signs(2, `electricity`, `\bgas\b`))},
	{"water_bill", UtilityBill, NonPriorityDebt, join(
		signs(6, `water and sewerage charges`, `water bill`, `water charges? for`), signs(3, `sewerage`, `water supply`, `surface water`), signs(1, `\bwater\b`))},
	{"phone_bill", UtilityBill, NonPriorityDebt, signs(6, `(?:phone|mobile|broadband) bill`, `your (?:mobile|broadband) (?:bill|account)`)},
	{"credit_card_statement", CreditCardStatement, NonPriorityDebt, join(
		signs(10, `(?:credit|store) card statement`), signs(4, `minimum payment`), signs(2, `credit limit`, `card number`))},
	{"bank_statement", BankStatement, Income, join(
		signs(10, `current account statement`, `bank statement`), signs(3, `sort code`, `closing balance`), signs(2, `opening balance`, `money (?:in|out)`, `paid (?:in|out)`))},
	{"payslip", IncomeEvidence, Income, join(
		signs(9, `pay ?slip`, `pay advice`), signs(3, `net pay`, `tax code`, `gross pay`, `national insurance`))},
	{"income_evidence", IncomeEvidence, Income, join(
		signs(7, `student finance`, `entitlement letter`, `\bP60\b`, `pension statement`, `contract of employment`), signs(3, `maintenance loan`, `your (?:annual )?salary`))},
	{"debt_collection", DebtLetter, NonPriorityDebt, join(
		signs(8, `our client: `), signs(5, `collect(?:ions?|ing)? (?:team|agency|department|the above debt)`, `debt (?:collection|recovery|purchas)`, `original creditor`, `balance outstanding`, `instructed to collect`, `passed to our solicitors`, `money you owe`),
		signs(3, `(?:recover(?:y|ies)|collections|portfolio)\b`, `original (?:company|account)`, `still outstanding`, `county court judgment`, `our client\b`, `you owe`, `outstanding (?:balance|debt)`, `overdue`, `arrears`))},
	{"invoice", ExpenditureEvidence, Expenditure, join(
		signs(8, `\binvoice\b`), signs(4, `receipt\b`), signs(2, `amount due`))},
}

const (
	firstLines = 6 // in which a document says what it is
	leastScore = 6 // below which it is "other"
)

// general is the kind whose signs are in every creditor's letter: another one
// with a clear score is the better answer, unless they are far more.
const (
	general = "debt_collection"
	clear   = 11
)

// pressing are the debts that make a letter about them one of priority, whoever
// wrote it.
var pressing = regexp.MustCompile(`(?i)\bcouncil tax\b|\brent arrears\b|\bmortgage\b|\b(?:gas|electricity|energy)\b.{0,20}\b(?:debt|arrears|account)\b|\bprepayment meter\b|\bmagistrates' court fine|\bincome tax\b|\bchild maintenance\b|\border for recovery\b|\bbusiness rates\b`)

// verdict is what a text is, and why.
type verdict struct {
	kind       kind
	score      int
	confidence float64
	evidence   [][2]int // places in the text
	pressing   []int    // the place that makes it a priority
}

// classify weighs the signs.
func (t *text) classify() verdict {
	head := len(t.all)
	if len(t.lines) > firstLines {
		head = t.lines[firstLines].from
	}
	var best verdict
	all := 0
	for _, k := range kinds {
		v := verdict{kind: k}
		for _, s := range k.signs {
			at := s.pattern.FindStringIndex(t.all)
			if at == nil {
				continue
			}
			weight := s.weight
			if at[0] < head {
				weight *= 2
			}
			v.score += weight
			v.evidence = append(v.evidence, [2]int{at[0], at[1]})
		}
		all += v.score
		if v.score > best.score && (k.name != general || best.score < clear || 2*v.score > 3*best.score) {
			best = v
		}
	}
	if best.score < leastScore {
		return verdict{kind: kind{"other", Other, NoPriority, nil}, score: best.score}
	}
	best.confidence = float64(best.score) / float64(all)
	if best.kind.priority == NonPriorityDebt {
		if at := pressing.FindStringIndex(t.all); at != nil && best.kind.class != CreditCardStatement {
			best.kind.priority, best.pressing = PriorityDebt, at
		}
	}
	if best.kind.name == "penalty_charge_notice" && best.pressing != nil {
		best.kind.class = CourtDocument
	}
	return best
}
