// Package qdrantindex is the index on a Qdrant server or cluster, which several
// replicas of the service may share.
//
// Chunks are points with a dense vector and the same BM25 vector that the embedded
// index holds; Qdrant searches both and fuses their ranks. Beside them a catalogue
// of ours says which edition of each document is read (see catalogue.go). Writers
// put the chunks of a new edition first, then change the document's record, which
// is one step, and let what was read before stay until nobody reads it any more.
// So readers see a document before a change or after it, and a process that is
// killed leaves nothing that anybody sees; what it leaves is swept.
package qdrantindex

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

// Quantization says how Qdrant keeps dense vectors for its first look; the last
// word have the vectors themselves.
type Quantization string

// The forms.
const (
	Full   Quantization = "none"   // 4 bytes a dimension
	Int8   Quantization = "int8"   // 1 byte
	Binary Quantization = "binary" // 1 bit; for 1,024 dimensions and more
)

// Options say where Qdrant is and how its collections are made.
type Options struct {
	URL    string
	Key    env.Secret // empty for none
	Dialer *egress.Dialer
	Logger *slog.Logger
	// Owner names this replica of the service, the same after a restart: what it had
	// begun and not finished is removed when it starts again. Empty for a name that
	// nobody else has.
	Owner  string
	Prefix string // of the names of all collections; see [CheckPrefix]

	Shards           int // of each collection; 1 or more
	Replicas         int // of each shard
	WriteConsistency int // replicas that must have a change; 0 for all
	Quantization     Quantization

	Timeout      time.Duration // of a call that reads
	WriteTimeout time.Duration // of a call that writes
}

var prefixForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// CheckPrefix reports whether names of collections may begin so.
func CheckPrefix(prefix string) bool { return prefixForm.MatchString(prefix) }

const (
	// retainFor is how long the chunks of an edition stay after it was replaced, for
	// readers that began before. A reader for whom it was too short asks again.
	retainFor = 10 * time.Second
	// abandonAfter is how long an edition of another replica may be in the making. One
	// that takes longer is begun anew.
	abandonAfter = 30 * time.Minute
	sweepEvery   = 5 * time.Second
)

// Index is a [rag.Index] on Qdrant.
type Index struct {
	o      Options
	client *qdrant.Client
	retry  failsafe.Executor[any]

	preparing chan struct{} // holds one place for who prepares
	prepared  atomic.Bool

	catching   sync.Mutex // one catches up at a time
	committing sync.Mutex // one changes the catalogue at a time
	written    int64      // the revision whose records are known to be written; under committing
	writers    keyed      // one writer of a document, or of a collection's vectors, at a time

	mu     sync.RWMutex
	state  *state
	fresh  map[string]string   // terms of editions of ours that are not absorbed yet
	making map[string]struct{} // editions that this process is writing

	straysMu sync.Mutex
	strays   map[string]string // points by edition that may be in no record
	searched atomic.Bool       // whether strays were looked for everywhere

	sweepNow chan struct{}
	stop     context.CancelFunc
	stopped  sync.WaitGroup
}

var _ rag.Index = (*Index)(nil)

var noWords bm25.Vector

var errMoved = errors.New("the catalogue has moved on")

// Open returns an index on Qdrant. It does not wait for Qdrant: while that is away,
// calls fail with fault.Unavailable, and from the moment it is there they work.
func Open(o Options) (*Index, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Owner == "" {
		o.Owner = uuid.NewString()
	}
	if !CheckPrefix(o.Prefix) {
		return nil, fmt.Errorf("QDRANT_PREFIX: %q cannot begin the name of a collection", o.Prefix)
	}
	client, err := dial(o)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	x := &Index{
		o: o, client: client, retry: newRetry(), preparing: make(chan struct{}, 1),
		state: newState(), fresh: map[string]string{}, making: map[string]struct{}{},
		strays: map[string]string{}, sweepNow: make(chan struct{}, 1), stop: stop,
	}
	x.stopped.Go(func() { x.sweepUntil(ctx) })
	return x, nil
}

// Close ends the connection.
func (x *Index) Close() error {
	x.stop()
	x.stopped.Wait()
	return x.client.Close()
}

// Ping implements [rag.Index].
func (x *Index) Ping(ctx context.Context) error {
	if err := x.prepare(ctx); err != nil {
		return err
	}
	_, err := x.catchUp(ctx)
	return err
}

func (x *Index) catalogue() string { return x.o.Prefix + "_catalogue" }

// alias is the name under which people find a collection's points. Names of
// collections have no underscore, so it is no other's.
func (x *Index) alias(name string) string { return x.o.Prefix + "-" + name }

// points names a collection of Qdrant that never was before.
func (x *Index) points(name string, revision int64) string {
	return fmt.Sprintf("%s-%s_%d", x.o.Prefix, name, revision)
}

func (x *Index) revision() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.state.revision
}

// consistency makes readers of a cluster ask more than one replica: one may not
// have the newest revision of the catalogue yet.
func (x *Index) consistency() *qdrant.ReadConsistency {
	if x.o.Replicas < 2 {
		return nil
	}
	return qdrant.NewReadConsistencyType(qdrant.ReadConsistencyType_Quorum)
}

// prepare makes sure that Qdrant is one that this package can use, with the
// catalogue and the default collection in it. Once it has succeeded it costs
// nothing.
func (x *Index) prepare(ctx context.Context) error {
	if x.prepared.Load() {
		return nil
	}
	select {
	case x.preparing <- struct{}{}:
		defer func() { <-x.preparing }()
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
		return fault.Wrap(fault.Unavailable, ctx.Err(), unavailable(""))
	}
	if x.prepared.Load() {
		return nil
	}
	health, err := read(ctx, x, func(ctx context.Context, c *qdrant.Client) (*qdrant.HealthCheckReply, error) {
		return c.HealthCheck(ctx)
	})
	if err != nil {
		return err
	}
	if err := checkVersion(health.GetVersion()); err != nil {
		return err
	}
	if err := x.prepareCatalogue(ctx); err != nil {
		return err
	}
	if _, err := x.catchUp(ctx); err != nil {
		return err
	}
	if err := x.replace(ctx, 0, x.defaultCollection); err != nil {
		return err
	}
	if err := x.prepareCollections(ctx); err != nil {
		return err
	}
	x.prepared.Store(true)
	x.o.Logger.InfoContext(ctx, "index on Qdrant", "version", health.GetVersion())
	x.sweepSoon()
	return nil
}

// lostCatalogue has everything prepared anew.
func (x *Index) lostCatalogue() error {
	x.mu.Lock()
	x.state = newState()
	x.mu.Unlock()
	x.prepared.Store(false)
	return fault.New(fault.Unavailable, "The collections in Qdrant are gone, as after the loss of its storage: restore them from a snapshot, or try again and ingest the manuals again.")
}

// The metadata of a collection of ours.
const (
	metadataOwner  = "signpost"
	metadataFormat = "signpost_format"
)

func (x *Index) prepareCatalogue(ctx context.Context) error {
	name := x.catalogue()
	info, err := x.info(ctx, name)
	if err != nil {
		return err
	}
	if info == nil {
		if err := x.createPoints(ctx, name, 1, nil, nil); err != nil {
			return err
		}
	} else if info.GetConfig().GetMetadata()[metadataOwner].GetStringValue() != name {
		return fault.Newf(fault.Unavailable, "The collection %s in Qdrant is not one of this service: choose another QDRANT_PREFIX.", name)
	}
	for field, form := range map[string]qdrant.FieldType{
		fieldStamp:    qdrant.FieldType_FieldTypeInteger,
		fieldInstance: qdrant.FieldType_FieldTypeKeyword,
	} {
		if err := x.indexField(ctx, name, field, form, info); err != nil {
			return err
		}
	}
	first, err := headPoint(head{Format: catalogueFormat})
	if err != nil {
		return err
	}
	return x.upsert(ctx, name, []*qdrant.PointStruct{first}, nil, qdrant.UpdateMode_InsertOnly.Enum())
}

// info describes a collection of Qdrant; nil when there is none.
func (x *Index) info(ctx context.Context, name string) (*qdrant.CollectionInfo, error) {
	info, err := read(ctx, x, func(ctx context.Context, c *qdrant.Client) (*qdrant.CollectionInfo, error) {
		return c.GetCollectionInfo(ctx, name)
	})
	if status.Code(err) == codes.NotFound {
		return nil, nil
	}
	return info, err
}

// indexField has a field of the payload indexed, unless info says that it is.
func (x *Index) indexField(ctx context.Context, name, field string, form qdrant.FieldType, info *qdrant.CollectionInfo) error {
	if _, ok := info.GetPayloadSchema()[field]; ok {
		return nil
	}
	_, err := write(ctx, x, func(ctx context.Context, c *qdrant.Client) (*qdrant.UpdateResult, error) {
		return update(c.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{
			CollectionName: name, FieldName: field, FieldType: &form, Wait: qdrant.PtrOf(true), Timeout: seconds(x.o.WriteTimeout),
		}))
	})
	return err
}
