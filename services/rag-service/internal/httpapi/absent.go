package httpapi

import (
	"net/http"

	"signpost.internal/pkg/httpserver"
)

// absences are RMA-Demo's addresses that are not answered here.
func absences() []httpserver.Absence {
	const (
		criteria = "Comparing a client's figures with each criterion is not built yet; POST /query quotes the criteria with their pages."
		limits   = "The register of limits with their sources and dates is not built yet; POST /query quotes a limit with its page."
		symbolic = "No model compares figures here; POST /query quotes the manuals' figures with their pages."
		trees    = "Decision trees guessed from the manuals' wording are not made here; POST /query quotes the criteria with their pages."
		diagrams = "Diagrams of guessed decision trees are not drawn here; POST /query quotes the criteria with their pages."
	)
	return []httpserver.Absence{
		httpserver.Planned(http.MethodPost, "/eligibility-check", criteria),
		httpserver.Planned(http.MethodGet, "/thresholds", limits),
		httpserver.Planned(http.MethodGet, "/debug/thresholds", limits),
		httpserver.Dropped(http.MethodPost, "/symbolic-query", symbolic),
		httpserver.Dropped(http.MethodPost, "/decision-tree/check", trees),
		httpserver.Dropped(http.MethodGet, "/decision-tree/visualize", trees),
		httpserver.Dropped(http.MethodGet, "/decision-tree/rules", trees),
		httpserver.Dropped(http.MethodGet, "/diagrams/mermaid/:topic", diagrams),
		httpserver.Dropped(http.MethodGet, "/diagrams/graphviz/:topic", diagrams),
		httpserver.Dropped(http.MethodPost, "/diagrams/client-path", diagrams),
		httpserver.Dropped(http.MethodPost, "/diagrams/advisor-package", diagrams),
		httpserver.Dropped(http.MethodGet, "/diagrams/comparison", diagrams),
	}
}
