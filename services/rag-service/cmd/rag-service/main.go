// Command rag-service answers questions from manuals over HTTP.
package main

import (
	"signpost.internal/pkg/daemon"
	"signpost.internal/services/rag-service/internal/app"
	"signpost.internal/services/rag-service/internal/config"
)

func main() { daemon.Main("rag-service", &config.Config{}, app.Run) }
