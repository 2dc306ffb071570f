// Package apikey knows who may call a service: a file of hashed keys, each with
// a name and scopes, and how often each may call.
//
// A key is 32 random bytes. Nothing about it can be guessed, so one SHA-256 of
// it is kept; the slow hashes that passwords need would only give strangers a
// way to keep the processor busy. Lines of the file read
//
//	rag-service read sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//
// and are made by [Add]. Empty lines and those that begin with # are skipped.
package apikey

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Scope is what a key allows. None includes another.
type Scope string

// The scopes.
const (
	Read  Scope = "read"  // ask, convert, process, list: what stores nothing
	Write Scope = "write" // ingest
	Admin Scope = "admin" // /admin/…
)

// scopes are all, in the order in which they are written.
func scopes() []Scope { return []Scope{Read, Write, Admin} }

const (
	prefix    = "signpost_" // makes a leaked key easy to search for
	keyBytes  = 32
	hashName  = "sha256:"
	maxKeys   = 1000
	keyLength = len(prefix) + 43 // base64 of keyBytes
)

// Key is one line of the file.
type Key struct {
	Name   string
	Scopes []Scope
	hash   [sha256.Size]byte
}

// Allows reports whether the key has the scope.
func (k Key) Allows(s Scope) bool { return slices.Contains(k.Scopes, s) }

func (k Key) line() string {
	words := make([]string, len(k.Scopes))
	for i, s := range k.Scopes {
		words[i] = string(s)
	}
	return k.Name + " " + strings.Join(words, ",") + " " + hashName + hex.EncodeToString(k.hash[:])
}

// generate returns a new key.
func generate() string {
	random := make([]byte, keyBytes)
	_, _ = rand.Read(random) // never fails: it ends the program instead
	return prefix + base64.RawURLEncoding.EncodeToString(random)
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// newKey checks a name and a comma-separated list of scopes.
func newKey(name, list string) (Key, error) {
	if !namePattern.MatchString(name) {
		return Key{}, fmt.Errorf("the name %q: letters, digits, dots, dashes and underscores are accepted, 64 at most", name)
	}
	k := Key{Name: name}
	for word := range strings.SplitSeq(list, ",") {
		s := Scope(word)
		if !slices.Contains(scopes(), s) {
			return Key{}, fmt.Errorf("the scope %q: read, write and admin are accepted, joined by commas", word)
		}
		if slices.Contains(k.Scopes, s) {
			return Key{}, fmt.Errorf("the scope %q stands there twice", word)
		}
		k.Scopes = append(k.Scopes, s)
	}
	return k, nil
}

// Parse reads a file of keys. All its lines must be right and it must hold a
// key: a file that is half written changes nothing. Errors name the line, never
// its hash.
func Parse(content []byte) ([]Key, error) {
	var (
		keys   []Key
		faults []error
		number int
	)
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		number++
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		k, err := parseLine(line)
		switch {
		case err != nil:
		case slices.ContainsFunc(keys, func(other Key) bool { return other.Name == k.Name }):
			err = fmt.Errorf("there is another key of the name %s", k.Name)
		case slices.ContainsFunc(keys, func(other Key) bool { return other.hash == k.hash }):
			err = fmt.Errorf("the key %s is there under another name", k.Name)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", number, err))
			continue
		}
		keys = append(keys, k)
		if len(keys) > maxKeys {
			return nil, fmt.Errorf("there are more than %d keys", maxKeys)
		}
	}
	if err := lines.Err(); err != nil {
		faults = append(faults, fmt.Errorf("line %d: %w", number+1, err))
	}
	if len(keys) == 0 && len(faults) == 0 {
		faults = append(faults, errors.New("there is no key in it: make one with `make key NAME=… SCOPES=read,write`"))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return keys, nil
}

var errLine = errors.New("a name, scopes joined by commas, and sha256: with 64 hexadecimal digits are accepted, with spaces between")

func parseLine(line string) (Key, error) {
	parts := strings.Fields(line)
	if len(parts) != 3 {
		return Key{}, errLine
	}
	k, err := newKey(parts[0], parts[1])
	if err != nil {
		return Key{}, err
	}
	digits, found := strings.CutPrefix(parts[2], hashName)
	hash, err := hex.DecodeString(digits)
	if !found || err != nil || len(hash) != sha256.Size {
		return Key{}, errLine
	}
	copy(k.hash[:], hash)
	return k, nil
}

// find returns the key that was sent, comparing its hash with every key's in a
// time that does not tell which came how near.
func find(keys []Key, sent string) (found Key, ok bool) {
	if len(sent) != keyLength {
		return Key{}, false
	}
	hash := sha256.Sum256([]byte(sent))
	at := -1
	for i := range keys {
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], keys[i].hash[:]), i, at)
	}
	if at < 0 {
		return Key{}, false
	}
	return keys[at], true
}

// Sent returns the key that a request carries, as `Authorization: Bearer …` or
// `X-API-Key`; empty for none. Another scheme in Authorization, such as a
// proxy's own, is passed over. A header sent twice carries no key.
func Sent(header http.Header) string {
	if values := header["Authorization"]; len(values) > 0 {
		scheme, key, _ := strings.Cut(values[0], " ")
		if strings.EqualFold(scheme, "Bearer") {
			if len(values) > 1 {
				return ""
			}
			return strings.TrimSpace(key)
		}
	}
	if values := header["X-Api-Key"]; len(values) == 1 {
		return strings.TrimSpace(values[0])
	}
	return ""
}
