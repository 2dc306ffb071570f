package provider

import (
	"context"

	"signpost.internal/pkg/fault"
)

// Check returns nil when a model can be used, else the status's reason as a
// fault.Unavailable: a readiness probe.
func (c *Client) Check(ctx context.Context) error {
	if status := c.Status(ctx); !status.Reachable {
		return fault.New(fault.Unavailable, status.Reason)
	}
	return nil
}
