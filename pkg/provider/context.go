package provider

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/types/model"
)

const (
	// longestToken is more bytes than any token stands for: the longest in the
	// vocabularies in use are runs of 128 spaces. A text has at least a token for
	// each so many bytes, mostly one for every three to five.
	longestToken = 256
	// visionContext is the shortest context that Ollama gives a model that reads
	// images.
	visionContext = 2048
	// most is more tokens than any number of an engine can mean.
	most = 1 << 40
)

// leastTokens is how many tokens a text of so many bytes has at least.
func leastTokens(bytes int) int { return (bytes + longestToken - 1) / longestToken }

// completed returns the error with a number for what is needed. A text that was
// refused needs more than there is, whatever of it the engine counted.
func (e *ContextError) completed() *ContextError {
	if e.Limit > most || e.Needed > most {
		*e = ContextError{}
	}
	if e.Limit > 0 {
		e.Needed = max(e.Needed, e.Limit+1)
	}
	return e
}

// reservedPattern is of vLLM's message for an answer that may be longer than
// what the prompt leaves.
var reservedPattern = regexp.MustCompile(`is too large: (\d+)\. .* your request has (\d+) input tokens`)

// reserved returns the tokens of such a prompt and its answer, 0 for another
// message.
func reserved(message string) int {
	m := reservedPattern.FindStringSubmatch(message)
	if m == nil {
		return 0
	}
	answer, err := strconv.Atoi(m[1])
	prompt, err2 := strconv.Atoi(m[2])
	if err != nil || err2 != nil || answer > most || prompt > most {
		return 0
	}
	return answer + prompt
}

// fits returns an error for a text of so many bytes that cannot fit whatever its
// words are, so that it is neither sent nor loads a model.
func (o *ollama) fits(ctx context.Context, name string, bytes int) error {
	least := leastTokens(bytes)
	if least <= max(o.context, visionContext) {
		return nil // Ollama counts
	}
	limit := o.length(ctx, name)
	if limit == 0 {
		return nil // Ollama says what is wrong
	}
	return &ContextError{Limit: limit, Needed: least}
}

// measured adds the model's context length to the error for a text that is too
// long for it, as Ollama does not say it.
func (o *ollama) measured(ctx context.Context, name string, err error) error {
	var status *statusError
	if !errors.As(err, &status) || status.code != http.StatusBadRequest {
		return err
	}
	tooLong := contextError(status.message)
	if tooLong == nil || tooLong.Limit > 0 {
		return err
	}
	tooLong.Limit = o.length(ctx, name)
	return tooLong
}

// length returns how many tokens Ollama lets a model hold: OLLAMA_CONTEXT, or
// the model's own length where that is less; 0 when it cannot be found out.
func (o *ollama) length(ctx context.Context, name string) int {
	shown, err := o.api.Show(ctx, &api.ShowRequest{Model: name})
	if err != nil {
		return 0
	}
	length := o.context
	if slices.Contains(shown.Capabilities, model.CapabilityVision) {
		length = max(length, visionContext)
	}
	for key, value := range shown.ModelInfo {
		if own, ok := value.(float64); ok && own > 0 && strings.HasSuffix(key, ".context_length") {
			length = min(length, int(own))
		}
	}
	return length
}

// holds returns how many tokens a model holds, which is asked for until it is
// known; 0 until then.
func (u *upstream) holds(ctx context.Context, model string) int {
	if known, ok := u.contexts.Load(model); ok {
		return known.(int)
	}
	n := u.driver.holds(ctx, model)
	if n > 0 {
		u.contexts.Store(model, n)
	}
	return n
}
