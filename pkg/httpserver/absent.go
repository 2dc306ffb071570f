package httpserver

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/problem"
)

// Absence is an address that RMA-Demo, which this project replaces, answered
// and that is not answered here.
type Absence struct {
	method, path string
	err          error
}

// Planned is an Absence that will be answered one day: 501. The path is as Gin
// writes it; coming is a sentence for the client: what is not there yet and what
// to use until it is.
func Planned(method, path, coming string) Absence {
	return Absence{method, path, fault.New(fault.NotImplemented, coming)}
}

// Dropped is an Absence that will stay one: 410. instead is a sentence for the
// client: why, and what to use.
func Dropped(method, path, instead string) Absence {
	return Absence{method, path, fault.New(fault.Gone, instead)}
}

// Absent answers each address with its problem document, so that whoever moves
// from RMA-Demo is told more than "not found".
func Absent(router gin.IRoutes, absences []Absence) {
	for _, a := range absences {
		router.Handle(a.method, a.path, problem.Handler(func(*gin.Context) error { return a.err }))
	}
}

// apiPages are what RMA-Demo's framework answered in every service.
func apiPages() []Absence {
	const coming = "The API's machine-readable description is not built yet; until it is, GET / lists what this service answers."
	return []Absence{
		Planned(http.MethodGet, "/openapi.json", coming),
		Planned(http.MethodGet, "/docs", coming),
		Dropped(http.MethodGet, "/redoc", "There is no such page here; GET / lists what this service answers."),
	}
}
