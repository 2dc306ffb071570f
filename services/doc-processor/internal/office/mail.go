package office

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // decodes the encodings of mails

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
)

// Limits of a mail.
const (
	maxAttachments = 100
	maxMailParts   = 1000
)

// mail is a mail taken apart.
type mail struct {
	header      message.Header
	bodies      []body
	attachments []attachment
	notices     []string
}

type body struct {
	text string
	html bool
	// group is the set of parts that say the same in different forms; empty for
	// a part of its own.
	group string
}

type attachment struct {
	name string
	data []byte
}

// Unpack writes what a container holds into dir: the attachments of a mail, or
// the Office file in an encrypted one.
func Unpack(path string, kind document.Kind, dir, password string) ([]document.Part, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the spooled file: %w", err)
	}
	var found []attachment
	switch kind {
	case document.Locked:
		plain, err := unlock(data, password)
		if err != nil {
			return nil, err
		}
		found = []attachment{{data: plain}}
	case document.EML:
		m, err := openMail(data)
		if err != nil {
			return nil, err
		}
		found = m.attachments
	}
	parts := make([]document.Part, len(found))
	for i, a := range found {
		parts[i] = document.Part{Name: a.name, Path: filepath.Join(dir, fmt.Sprint(i))}
		if err := os.WriteFile(parts[i].Path, a.data, 0o600); err != nil {
			return nil, fmt.Errorf("unpack into the spool: %w", err)
		}
	}
	return parts, nil
}

func openMail(data []byte) (*mail, error) {
	root, err := message.Read(bytes.NewReader(data))
	if err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		return nil, damaged(err, "mail")
	}
	m := &mail{header: root.Header}
	alternatives := map[string]bool{} // the places of the parts that are such
	seen := 0
	err = root.Walk(func(place []int, part *message.Entity, partErr error) error {
		if seen++; seen > maxMailParts {
			return fault.Newf(fault.Invalid, "The mail has more than the %d parts that are read.", maxMailParts)
		}
		if part == nil {
			return partErr
		}
		kind, params, _ := part.Header.ContentType()
		if strings.HasPrefix(kind, "multipart/") {
			alternatives[key(place)] = kind == "multipart/alternative"
			return nil
		}
		if partErr != nil {
			m.notice("has a part in an encoding that is not known")
		}
		return m.add(place, kind, params, part, alternatives)
	})
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return nil, err
	case err != nil:
		// What stands before the damage is there to be read.
		m.notice("is damaged: what follows its last readable part is missing")
	}
	return m, nil
}

func (m *mail) notice(text string) {
	if !slices.Contains(m.notices, text) {
		m.notices = append(m.notices, text)
	}
}

func key(place []int) string { return fmt.Sprint(place) }

// add takes up one part.
func (m *mail) add(place []int, kind string, params map[string]string, part *message.Entity, alternatives map[string]bool) error {
	data, err := io.ReadAll(part.Body)
	if err != nil {
		m.notice("has a part that is cut off or damaged")
	}
	disposition, dispositionParams, _ := part.Header.ContentDisposition()
	name := plainName(cmp.Or(dispositionParams["filename"], params["name"]))
	if disposition != "attachment" && name == "" && (kind == "text/plain" || kind == "text/html" || kind == "") {
		b := body{text: string(data), html: kind == "text/html"}
		for n := len(place) - 1; n >= 0; n-- {
			if alternatives[key(place[:n])] {
				b.group = key(place[:n])
				break
			}
		}
		m.bodies = append(m.bodies, b)
		return nil
	}
	if len(data) == 0 {
		return nil
	}
	if len(m.attachments) == maxAttachments {
		m.notice(fmt.Sprintf("has more than %d attachments; the others are not read", maxAttachments))
		return nil
	}
	if kind == "message/rfc822" {
		name = strings.TrimSuffix(cmp.Or(name, "mail"), ".eml") + ".eml"
	}
	m.attachments = append(m.attachments, attachment{name: cmp.Or(name, "attachment"), data: data})
	return nil
}

// plainName decodes a file's name and takes the path off it.
func plainName(name string) string {
	if plain, err := new(mime.WordDecoder).DecodeHeader(name); err == nil {
		name = plain
	}
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, name)
	return strings.TrimSpace(strings.ToValidUTF8(name, ""))
}

// readMail reads a mail's own words.
func readMail(data []byte) ([]document.PageText, error) {
	m, err := openMail(data)
	if err != nil {
		return nil, err
	}
	var blocks []string
	subject, err := m.header.Text("Subject")
	if err != nil {
		subject = m.header.Get("Subject")
	}
	if subject = strings.Join(strings.Fields(subject), " "); subject != "" {
		blocks = append(blocks, "# "+subject)
	}
	var lines []string
	for _, field := range []string{"From", "To", "Cc", "Date"} {
		value, err := m.header.Text(field)
		if err != nil {
			value = m.header.Get(field)
		}
		if value = strings.Join(strings.Fields(value), " "); value != "" {
			lines = append(lines, field+": "+value)
		}
	}
	for _, a := range m.attachments {
		lines = append(lines, "Attachment: "+a.name)
	}
	if len(lines) > 0 {
		blocks = append(blocks, strings.Join(lines, "  \n"))
	}
	for _, b := range m.chosen() {
		text := strings.TrimSpace(strings.ReplaceAll(b.text, "\r\n", "\n"))
		if text != "" {
			blocks = append(blocks, text)
		}
	}
	return []document.PageText{{Text: strings.Join(blocks, "\n\n"), Notice: strings.Join(m.notices, ", and ")}}, nil
}

// chosen returns the bodies in Markdown, one of each group: the web page, which
// has tables and links, unless the plain text says more.
func (m *mail) chosen() []body {
	var out []body
	for _, b := range m.bodies {
		if b.html {
			text, err := webText(strings.NewReader(b.text))
			if err != nil {
				m.notice("has a part in HTML that is damaged")
				continue
			}
			b.text = text
		}
		at := slices.IndexFunc(out, func(o body) bool { return b.group != "" && o.group == b.group })
		switch {
		case at < 0:
			out = append(out, b)
		case wordier(b, out[at]):
			out[at] = b
		}
	}
	return out
}

// wordier reports whether a form of a text is to be taken in another's place.
func wordier(b, than body) bool {
	words, others := len(strings.Fields(b.text)), len(strings.Fields(than.text))
	switch {
	case b.html && !than.html:
		return 5*words >= 4*others
	case !b.html && than.html:
		return 5*others < 4*words
	default:
		return words > others
	}
}
