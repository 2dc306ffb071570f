package httpserver

import (
	"strings"

	"github.com/munnerz/goautoneg"

	"signpost.internal/pkg/fault"
)

// Negotiate returns the media type of those offered that the Accept headers
// prefer, the first of them where they do not care. It fails with NotAcceptable
// when they exclude all.
func Negotiate(headers []string, offers ...string) (string, error) {
	header := strings.Join(headers, ",")
	if header == "" {
		return offers[0], nil
	}
	asked := goautoneg.ParseAccept(header)
	best, weight := "", 0.0
	for _, offer := range offers {
		if w := weightOf(asked, offer); w > weight {
			best, weight = offer, w
		}
	}
	if best == "" {
		return "", fault.New(fault.NotAcceptable, "The answer is to be had as "+strings.Join(offers, ", ")+"; the Accept header names none of them.")
	}
	return best, nil
}

// weightOf is the weight that the most precise of the clauses gives a media type.
func weightOf(asked []goautoneg.Accept, mediaType string) float64 {
	kind, subtype, _ := strings.Cut(mediaType, "/")
	weight, precision := 0.0, 0
	for _, clause := range asked {
		found := 0
		switch {
		case clause.Type == kind && clause.SubType == subtype:
			found = 3
		case clause.Type == kind && clause.SubType == "*":
			found = 2
		case clause.Type == "*" && clause.SubType == "*":
			found = 1
		}
		if found > precision {
			weight, precision = clause.Q, found
		}
	}
	return weight
}
