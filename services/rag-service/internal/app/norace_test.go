//go:build !race

package app

const (
	streams      = 1000
	waves        = 5
	memoryMargin = 1.2 // what the most memory in use may grow to
)
