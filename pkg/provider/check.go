package provider

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"signpost.internal/pkg/fault"
)

// Check returns nil when each of the routes (TextRoute, EmbeddingRoute,
// VisionRoute) has a model that can be used, else the reasons as a
// fault.Unavailable: a readiness probe.
func (c *Client) Check(ctx context.Context, routes ...string) error {
	status := c.Status(ctx)
	var reasons []string
	for _, name := range routes {
		var failed []string
		ready := slices.ContainsFunc(status.Upstreams, func(u UpstreamStatus) bool {
			if u.Route == name && u.Reason != "" {
				failed = append(failed, u.Reason)
			}
			return u.Route == name && u.State == Ready
		})
		if !ready {
			reasons = append(reasons, cmp.Or(strings.Join(failed, " "), status.Reason, "No model is configured for the route "+name+"."))
		}
	}
	if reasons == nil {
		return nil
	}
	return fault.New(fault.Unavailable, strings.Join(slices.Compact(reasons), " "))
}
