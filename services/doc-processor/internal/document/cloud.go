package document

import (
	"context"
	"fmt"
	"strings"

	"signpost.internal/pkg/fault"
)

// readInCloud has the service on the internet read the file, once it was opened
// here: what is damaged, too long or protected is not sent. Nothing is read here
// in its place when the service fails.
func (r *Reading) readInCloud(ctx context.Context, src Source) (*Result, error) {
	p := r.processor
	if p.options.Cloud == nil {
		return nil, fault.New(fault.Invalid, "No service on the internet may read documents here.")
	}
	if src.Kind.Written() || src.Kind == Locked {
		return nil, fault.New(fault.Unsupported, "Only PDFs and images are sent to a service on the internet; this file is read on this machine: leave the field parser out.")
	}
	if src.Password != "" {
		return nil, fault.New(fault.Invalid, "A protected file is not sent to a service on the internet: leave the field parser out.")
	}
	b := &binder{processor: p, turn: r.turn}
	defer b.close()
	leaves, err := b.leaves(ctx, src)
	if err != nil {
		return nil, p.refusal(ctx, err)
	}
	var pages []CloudPage
	if busy := r.turn(ctx, func() { pages, err = p.options.Cloud.Parse(ctx, src) }); busy != nil {
		return nil, busy
	}
	if err != nil {
		return nil, p.refusal(ctx, err)
	}
	host := p.options.Cloud.Host()
	result := &Result{Kind: src.Kind, Method: LlamaParse, Warnings: []string{"the document was sent to " + host + ", as was asked, and was read there: nothing here has checked the words"}}
	if len(pages) != leaves[0].pages {
		result.Warnings = append(result.Warnings, fmt.Sprintf("the document has %d pages, and %s gave %d", leaves[0].pages, host, len(pages)))
	}
	var parts []string
	for i, page := range pages {
		read := Page{Number: i + 1, Method: LlamaParse, Text: page.Text}
		if page.Failed {
			read.Method, read.Error = None, "The service could not read the page."
			result.Warnings = append(result.Warnings, fmt.Sprintf("page %d: %s", i+1, read.Error))
		}
		result.Pages = append(result.Pages, read)
		parts = append(parts, page.Text)
		r.set(func() { r.settled = append(r.settled, Settled{Page: i + 1, Method: read.Method, Error: read.Error}) })
	}
	result.Markdown = strings.TrimSpace(strings.Join(parts, "\n\n"))
	return result, nil
}
