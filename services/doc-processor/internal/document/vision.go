package document

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/vision"
)

// Vision is the pass that has a model describe what pages show beside words. It
// changes no text, and nothing that goes wrong in it costs more than the
// descriptions.
type Vision struct {
	Model vision.Model
	// MaxPages is how many pages of a document are described: those that were
	// read from their image first, then those with figures beside their text.
	MaxPages int
	// Timeout bounds the pass over one document.
	Timeout time.Duration
}

// visionParallel is how many pages of a document are described at a time. The
// model server has a queue of its own.
const visionParallel = 2

var errVisionTime = errors.New("the time for the vision pass is over")

// describe adds notes to the pages that have something to see and returns the
// warnings.
func (r *Reading) describe(ctx context.Context, sheets []sheet, pages []Page) []string {
	p := r.processor
	v := p.options.Vision
	if v == nil {
		return nil
	}
	r.set(func() { r.stage = Describing })
	r.clock.run()
	defer r.clock.rest()
	chosen := sights(sheets)
	left := chosen[min(v.MaxPages, len(chosen)):]
	chosen = chosen[:len(chosen)-len(left)]

	passCtx, cancel := context.WithTimeoutCause(ctx, v.Timeout, errVisionTime)
	defer cancel()
	failures := make([]string, len(pages)) // why a page was not described
	places := make(chan struct{}, visionParallel)
	var group sync.WaitGroup
	for _, at := range chosen {
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			note, err := p.note(passCtx, sheets[at].leaf.src, sheets[at].at, pages[at].Text)
			if err != nil {
				failures[at] = v.reason(passCtx, err)
				return
			}
			pages[at].Vision = note
		})
	}
	group.Wait()

	var warnings []string
	for _, page := range pages {
		if page.Vision != nil {
			for _, w := range page.Vision.Warnings {
				warnings = append(warnings, fmt.Sprintf("page %d: %s", page.Number, w))
			}
		}
	}
	warnings = append(warnings, together(failures)...)
	if len(left) > 0 {
		slices.Sort(left)
		warnings = append(warnings, fmt.Sprintf("%s not described by the vision model, which is asked about %d of a document (VISION_MAX_PAGES)",
			listed(left), v.MaxPages))
	}
	return warnings
}

// sights lists the pages that have something to see, those read from their
// image first.
func sights(sheets []sheet) []int {
	var scans, figures []int
	for i := range sheets {
		switch s := &sheets[i]; {
		case s.err != nil:
		case s.scanned && !s.scan.Blank:
			scans = append(scans, i)
		case !s.scanned && s.text.Figures:
			figures = append(figures, i)
		}
	}
	return append(scans, figures...)
}

// note has one page drawn and described.
func (p *Processor) note(ctx context.Context, src Source, page int, text string) (*vision.Note, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	picture, err := retried(ctx, func() ([]byte, error) { return p.options.Engine.Picture(ctx, src, page) })
	if err != nil {
		return nil, err
	}
	return vision.Describe(ctx, p.options.Vision.Model, picture, text)
}

// reason says in words why a page was not described.
func (v *Vision) reason(ctx context.Context, err error) string {
	if errors.Is(context.Cause(ctx), errVisionTime) {
		return fmt.Sprintf("it was not done after %v (VISION_TIMEOUT)", v.Timeout)
	}
	if text, ok := lost(err); ok {
		return text
	}
	if ctx.Err() != nil {
		return ErrDeadline.Error()
	}
	return strings.TrimSuffix(fault.DetailOf(err), ".")
}

// together joins the pages that failed for the same reason.
func together(failures []string) []string {
	var (
		reasons []string
		failed  = map[string][]int{}
	)
	for page, why := range failures {
		if why == "" {
			continue
		}
		if failed[why] == nil {
			reasons = append(reasons, why)
		}
		failed[why] = append(failed[why], page)
	}
	var warnings []string
	for _, why := range reasons {
		warnings = append(warnings, listed(failed[why])+" not described by the vision model: "+why)
	}
	return warnings
}

// maxListed is how many pages a warning names.
const maxListed = 20

// listed names the pages, with the verb.
func listed(pages []int) string {
	if len(pages) == 1 {
		return fmt.Sprintf("page %d was", pages[0]+1)
	}
	names := make([]string, 0, maxListed+1)
	for i, page := range pages {
		if i == maxListed {
			names = append(names, fmt.Sprintf("and %d more", len(pages)-i))
			break
		}
		names = append(names, fmt.Sprint(page+1))
	}
	return "pages " + strings.Join(names, ", ") + " were"
}
