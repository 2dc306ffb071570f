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
	Method string
	Path   string // as Gin writes it
	// Kind is fault.NotImplemented for what is planned, fault.Gone for what was
	// dropped.
	Kind fault.Kind
	// Detail is a sentence for the client: what is coming, or what to use instead.
	Detail string
}

// Absent answers each address with its problem document, so that whoever moves
// from RMA-Demo is told more than "not found".
func Absent(router gin.IRoutes, absences []Absence) {
	for _, a := range absences {
		err := fault.New(a.Kind, a.Detail)
		router.Handle(a.Method, a.Path, problem.Handler(func(*gin.Context) error { return err }))
	}
}

// apiPages are what RMA-Demo's framework answered in every service.
func apiPages() []Absence {
	const coming = "The API's machine-readable description is not built yet; until it is, GET / lists what this service answers."
	return []Absence{
		{http.MethodGet, "/openapi.json", fault.NotImplemented, coming},
		{http.MethodGet, "/docs", fault.NotImplemented, coming},
		{http.MethodGet, "/redoc", fault.Gone, "There is no such page here; GET / lists what this service answers."},
	}
}
