package httpserver

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/problem"
)

// traced makes a server span of each request, below the caller's where it sent a
// traceparent header. OpenTelemetry's own middleware for Gin is not used: its
// spans hold the path, which may name a client's document, and the caller's
// address.
func traced(provider trace.TracerProvider) gin.HandlerFunc {
	tracer := provider.Tracer("signpost.internal/pkg/httpserver", trace.WithSchemaURL(semconv.SchemaURL))
	var caller propagation.TraceContext
	return func(c *gin.Context) {
		route := c.FullPath()
		if route == "" {
			route = "unmatched"
		}
		ctx := caller.Extract(c.Request.Context(), propagation.HeaderCarrier(c.Request.Header))
		method := methodOf(c.Request)
		ctx, span := tracer.Start(ctx, method+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			semconv.HTTPRequestMethodKey.String(method),
			semconv.HTTPRoute(route),
			attribute.String("signpost.request_id", c.Writer.Header().Get(problem.RequestIDHeader)),
		))
		defer span.End()
		c.Request = c.Request.WithContext(ctx)
		c.Next()
		status := c.Writer.Status()
		span.SetAttributes(semconv.HTTPResponseStatusCode(status))
		if last := c.Errors.Last(); last != nil {
			span.SetAttributes(semconv.ErrorTypeKey.String(fault.KindOf(last.Err).String()))
		}
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
	}
}
