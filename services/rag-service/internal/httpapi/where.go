package httpapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/rag"
)

// where says in a request where it is asked: in which collection, and of which
// documents.
type where struct {
	Collection string                     `json:"collection"`
	Filter     map[string]json.RawMessage `json:"filter"`
}

// apply narrows the question. A condition on what no document has is an error:
// ignored, it would let everything pass.
func (w where) apply(q *rag.Question) error {
	q.Collection = w.Collection
	lists := map[string]*[]string{"sources": &q.Filter.Sources, "editions": &q.Filter.Editions, "jurisdictions": &q.Filter.Jurisdictions}
	for _, name := range slices.Sorted(maps.Keys(w.Filter)) {
		value, field := w.Filter[name], "filter."+name
		switch list := lists[name]; {
		case list != nil:
			if err := json.Unmarshal(value, list); err != nil {
				return unacceptable(field, "must be a list of strings")
			}
		case name == "on":
			if err := json.Unmarshal(value, &q.Filter.On); err != nil {
				return unacceptable(field, "must be a day such as 2026-05-01")
			}
		default:
			return unacceptable(field, "is nothing that documents have; filter by "+strings.Join([]string{"sources", "editions", "jurisdictions", "on"}, ", "))
		}
	}
	return nil
}

func unacceptable(field, detail string) error {
	return &fault.Error{Kind: fault.Invalid, Detail: "Some fields are not acceptable.", Fields: []fault.Field{{Name: field, Detail: detail}}}
}
