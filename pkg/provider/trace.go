package provider

import (
	"context"
	"net/url"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0" // the last with the conventions for generative models
	"go.opentelemetry.io/otel/trace"
)

// Attributes beside those of the conventions.
const (
	attemptKey  = attribute.Key("signpost.attempt")         // 1 for the first server tried by a call
	queueKey    = attribute.Key("signpost.queue_time")      // s waited for a place on the server
	fallbackKey = attribute.Key("signpost.fallback.reason") // why the servers before did not answer
)

func newTracer(p trace.TracerProvider) trace.Tracer {
	if p == nil {
		return nil
	}
	return p.Tracer("signpost.internal/pkg/provider", trace.WithSchemaURL(semconv.SchemaURL))
}

// place returns the attributes of a server's address.
func place(address string) []attribute.KeyValue {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	attributes := []attribute.KeyValue{semconv.ServerAddress(u.Hostname())}
	port, err := strconv.Atoi(u.Port())
	switch {
	case err == nil:
	case u.Scheme == "https":
		port = 443
	default:
		port = 80
	}
	return append(attributes, semconv.ServerPort(port))
}

// span describes an attempt to a tracer. It has names, numbers and reasons in
// one word, and nothing that was asked or answered.
type span struct {
	trace.Span

	name, model string
}

// trace begins the span of an attempt on a model, empty while it must be asked
// for, after the failures of others. It is nil where nobody traces.
func (c *Client) trace(ctx context.Context, name string, up *upstream, model string, failures []failure) (context.Context, *span) {
	if c.tracer == nil {
		return ctx, nil
	}
	attributes := append([]attribute.KeyValue{
		semconv.GenAIOperationNameKey.String(name),
		semconv.GenAIProviderNameKey.String(up.provider),
		attemptKey.Int(len(failures) + 1),
	}, up.place...)
	if name == "chat" {
		attributes = append(attributes, semconv.GenAIRequestStream(true))
	}
	if len(failures) > 0 {
		attributes = append(attributes, fallbackKey.String(reasons(failures)))
	}
	s := &span{name: name}
	ctx, s.Span = c.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	s.ask(model)
	return ctx, s
}

// ask names the model that is asked.
func (s *span) ask(model string) {
	if s == nil || model == "" || model == s.model {
		return
	}
	s.model = model
	s.SetName(s.name + " " + model)
	s.SetAttributes(semconv.GenAIRequestModel(model))
}

// done ends the span of an attempt that failed, or succeeded with the answer of
// a chat or the dimension of vectors.
func (s *span) done(a Attempt, failed bool, answer *ChatResponse, dimension int) {
	if s == nil {
		return
	}
	s.ask(a.Model)
	s.SetAttributes(queueKey.Float64(a.QueueTime.Seconds()))
	if a.FirstToken > 0 {
		s.SetAttributes(semconv.GenAIResponseTimeToFirstChunk((a.FirstToken - a.QueueTime).Seconds()))
	}
	switch {
	case failed:
		s.SetAttributes(semconv.ErrorTypeKey.String(a.Outcome))
		s.SetStatus(codes.Error, "") // the error's words may quote a prompt
	case answer != nil:
		s.SetAttributes(semconv.GenAIResponseModel(answer.Model), semconv.GenAIResponseFinishReasons(answer.FinishReason),
			semconv.GenAIUsageInputTokens(a.Usage.InputTokens), semconv.GenAIUsageOutputTokens(a.Usage.OutputTokens))
	case dimension > 0:
		s.SetAttributes(semconv.GenAIUsageInputTokens(a.Usage.InputTokens), semconv.GenAIEmbeddingsDimensionCount(dimension))
	}
	s.End()
}
