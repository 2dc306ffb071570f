package rag

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"signpost.internal/services/rag-service/internal/bm25"
)

// askWords are the words with which people ask rather than what they ask about.
// Missing from a passage they say little, so they weigh askWeight.
const askWords = `
able across actually added again ago ahead all allowed almost alone along already also although altogether always another
answer answers anybody anyone anything anyway around available back bad basically become behind best better big bit both
bring brings call called came care case certain certainly client clients come comes coming common completely correct
correctly could currently days deal depend depends describe detail details did different difference do document done each
early easily either else end enough especially even ever every everybody everyone everything exact exactly example
existing explain extra fact far few final find finds first following follow form forward full fully further general
generally get gets getting give given gives go goes going gone good got great guide had half hand happen happens hard has
have having hear help here high hold hope idea important include including instead involve involved just keep keeps kept
kind kinds know known large last late later least leave less let like likely line list little long look looking lot low
made main mainly make makes making man manual many may maybe mean meaning means meant mention middle might mind more most
move much must name named need needed needs never new next nobody normal normally nothing now number obtain often ok old
once one ones open ordinary other others otherwise outside own part particular particularly people perhaps person place
please point possible possibly probably problem problems proper properly purpose put puts question questions quite rather
really reason recent recently regard regarding relevant rest right rough roughly round rule rules said same say says see
seem seems seen sense serious set several shall she short should show side similar simply since situation small so
somebody someone something sometimes somewhere soon sort special start still stuff such suppose sure take taken takes
tell thing things think third though thought three through throughout time times today together told too took topic total
trouble true try trying turn two type types typical typically under unless until upon us use used useful user uses using
usual usually various want wants was way ways week well went what whatever whatsoever whenever whereas whether which
while who whole whose why will wish within without woman word words work working works worth would write wrong year years
yes yet you young
`

const askWeight = 0.25

// synonyms are groups of words that mean much the same in questions of everyday
// English and in the English of manuals. A group's words are single words; a
// question with one of them also finds the others, for synonymWeight of their
// value.
const synonyms = `
car vehicle van motor
jail prison imprisonment imprisoned imprison
bailiff bailiffs enforcement
cost costs charge charges fee fees price
owe owes owed owing debt debts liability
lender creditor creditors
borrow borrowing loan credit
wages salary earnings pay
job employment work
boss employer
house home property dwelling
rent rental
landlord lessor
tenant lessee renter
evict eviction evicted possession
behind arrears overdue unpaid
bill invoice
begin begins start starts commence
end ends finish finishes expire expires
stop stops cease ceases
buy purchase
sell sale sold
ask request apply application
send submit sent
get obtain receive
need require required must
wait period
soon quickly deadline days
limit ceiling maximum
smallest minimum least
biggest largest maximum
remove delete uninstall
install installation setup
make create
change modify alter
fix repair
show display print
picture image figure
error failure fault
die died dead death deceased
inherit inherited inheritance left
brother sister relative family associate
money cash funds
rid set-aside dismiss cancel
break forced force
object challenge review
visit call
alone single sole
share proportion percentage
agree approve accept consent
missed omitted forgotten
altogether total
today now current
earlier previous before
hours times
company limited director
gas electricity energy fuel
warning notice
fine fines penalty
tools equipment
partner spouse husband wife
child children dependant
ill sick illness
allowed permitted
bankrupt bankruptcy insolvent insolvency
court judge tribunal
letter correspondence
check verify review
`

const synonymWeight = 0.5

// term is a distinct word of a question that is not a stop word.
type term struct {
	id     uint32
	others []uint32 // synonyms
	ask    float64  // 1, or askWeight for a word of asking
	weight float64  // ask times its IDF; how much the question is about it
	known  bool     // some chunk of the index has it or a synonym
}

// question is a question ready to be searched for.
type question struct {
	terms  []term // in the order of the question
	vector bm25.Vector
	figure *regexp.Regexp // see [soughtFigure]
}

// language is what is known of the words of questions.
type language struct {
	analyzer *bm25.Analyzer
	ask      map[uint32]bool
	synonyms map[uint32][]uint32
}

func newLanguage(a *bm25.Analyzer) *language {
	l := &language{analyzer: a, ask: map[uint32]bool{}, synonyms: map[uint32][]uint32{}}
	for w := range strings.FieldsSeq(askWords) {
		l.ask[a.ID(w)] = true
	}
	for group := range strings.SplitSeq(strings.TrimSpace(synonyms), "\n") {
		words := strings.Fields(group)
		for _, w := range words {
			id := a.ID(w)
			for _, other := range words {
				if o := a.ID(other); o != id && !slices.Contains(l.synonyms[id], o) {
					l.synonyms[id] = append(l.synonyms[id], o)
				}
			}
		}
	}
	return l
}

// analyse reads a question. The terms have no weight until weigh is called.
func (l *language) analyse(text string) question {
	q := question{figure: soughtFigure(text)}
	values := map[uint32]float32{}
	for _, t := range l.analyzer.Tokens(text) {
		if _, seen := values[t.ID]; seen {
			continue
		}
		ask := 1.0
		if l.ask[t.ID] {
			ask = askWeight
		}
		values[t.ID] = float32(ask)
		q.terms = append(q.terms, term{id: t.ID, ask: ask, others: l.synonyms[t.ID]})
	}
	for _, t := range q.terms {
		for _, other := range t.others {
			if _, there := values[other]; !there {
				values[other] = float32(t.ask * synonymWeight)
			}
		}
	}
	q.vector.IDs = slices.Sorted(maps.Keys(values))
	for _, id := range q.vector.IDs {
		q.vector.Values = append(q.vector.Values, values[id])
	}
	return q
}

// weigh sets the terms' weights from what a search found. A word that no chunk
// has weighs like one that a single chunk has; one whose synonym is there weighs
// like the synonym.
func (q *question) weigh(found Found) {
	frequency := map[uint32]int{}
	for i, id := range q.vector.IDs {
		frequency[id] = found.Frequency[i]
	}
	for i := range q.terms {
		t := &q.terms[i]
		df := frequency[t.id]
		for _, other := range t.others {
			df = max(df, frequency[other])
		}
		t.known = df > 0
		t.weight = t.ask * math.Max(bm25.IDF(found.Total, max(df, 1)), minIDF)
	}
}

// minIDF keeps a word that stands in nearly every chunk of a small index from
// weighing nothing.
const minIDF = 0.2
