// Command apikey makes an API key: it appends the key's hash to a file and
// prints the key, which is kept nowhere else. `make key` calls it.
package main

import (
	"flag"
	"fmt"
	"os"

	"signpost.internal/pkg/apikey"
)

func main() {
	file := flag.String("file", "", "file of hashed keys (API_KEYS_FILE); made when it is not there")
	name := flag.String("name", "", "who will use the key")
	scopes := flag.String("scopes", "read", "what it allows, joined by commas: read, write, admin")
	flag.Parse()
	if *file == "" || *name == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	key, err := apikey.Add(*file, *name, *scopes)
	if err != nil {
		fmt.Fprintf(os.Stderr, "apikey: %v\n", err)
		os.Exit(1)
	}
	fmt.Fprintf(os.Stderr, "Shown once, and kept nowhere; its hash is in %s:\n", *file)
	fmt.Println(key)
}
