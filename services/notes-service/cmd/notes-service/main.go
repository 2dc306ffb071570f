// Command notes-service turns an adviser's notes into a draft letter over HTTP.
package main

import (
	"signpost.internal/pkg/daemon"
	"signpost.internal/services/notes-service/internal/app"
	"signpost.internal/services/notes-service/internal/config"
)

func main() { daemon.Main("notes-service", &config.Config{}, app.Run) }
