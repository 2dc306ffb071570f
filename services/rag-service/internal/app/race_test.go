//go:build race

package app

// The detector follows fewer streams at a time, and its own memory grows.
const (
	streams      = 100
	waves        = 3
	memoryMargin = 2
)
