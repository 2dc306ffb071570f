package httpapi

import (
	"net/http"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
)

// absences are RMA-Demo's addresses that are not answered here.
func absences() []httpserver.Absence {
	const (
		steps    = "Answers in several visible steps are not built yet; ask POST /query, which cites the page of each passage."
		criteria = "Comparing a client's figures with each criterion is not built yet; POST /query quotes the criteria with their pages."
		limits   = "The register of limits with their sources and dates is not built yet; POST /query quotes a limit with its page."
		symbolic = "No model compares figures here; POST /query quotes the manuals' figures with their pages."
		trees    = "Decision trees guessed from the manuals' wording are not made here; POST /query quotes the criteria with their pages."
		diagrams = "Diagrams of guessed decision trees are not drawn here; POST /query quotes the criteria with their pages."
	)
	return []httpserver.Absence{
		{http.MethodPost, "/agentic-query", fault.NotImplemented, steps},
		{http.MethodPost, "/eligibility-check", fault.NotImplemented, criteria},
		{http.MethodGet, "/thresholds", fault.NotImplemented, limits},
		{http.MethodGet, "/debug/thresholds", fault.NotImplemented, limits},
		{http.MethodPost, "/symbolic-query", fault.Gone, symbolic},
		{http.MethodPost, "/decision-tree/check", fault.Gone, trees},
		{http.MethodGet, "/decision-tree/visualize", fault.Gone, trees},
		{http.MethodGet, "/decision-tree/rules", fault.Gone, trees},
		{http.MethodGet, "/diagrams/mermaid/:topic", fault.Gone, diagrams},
		{http.MethodGet, "/diagrams/graphviz/:topic", fault.Gone, diagrams},
		{http.MethodPost, "/diagrams/client-path", fault.Gone, diagrams},
		{http.MethodPost, "/diagrams/advisor-package", fault.Gone, diagrams},
		{http.MethodGet, "/diagrams/comparison", fault.Gone, diagrams},
	}
}
