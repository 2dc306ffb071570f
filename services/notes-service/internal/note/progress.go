package note

import "context"

// Stage is a step on the way to a letter.
type Stage string

// The stages, in their order; proof comes again after repair.
const (
	StageRead   Stage = "read"   // the notes are read by rule
	StageDraft  Stage = "draft"  // the model is asked
	StageProof  Stage = "proof"  // its draft is proved
	StageRepair Stage = "repair" // the model is asked again, with the reasons
)

type progressKey struct{}

// WithProgress returns a context whose conversions tell their stages as they come
// to them.
func WithProgress(ctx context.Context, tell func(Stage)) context.Context {
	return context.WithValue(ctx, progressKey{}, tell)
}

// Tell tells a stage to whom the context names, if anybody.
func Tell(ctx context.Context, s Stage) {
	if tell, ok := ctx.Value(progressKey{}).(func(Stage)); ok {
		tell(s)
	}
}
