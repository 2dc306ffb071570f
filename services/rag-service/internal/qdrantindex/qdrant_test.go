package qdrantindex_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"go.uber.org/goleak"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/indextest"
	"signpost.internal/services/rag-service/internal/qdrantindex"
	"signpost.internal/services/rag-service/internal/rag"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// real returns options for the Qdrant that QDRANT_TEST_URL names, and a client of
// it. Where there is none the test is skipped, unless REQUIRE_QDRANT=1.
func real(t *testing.T, place string) (qdrantindex.Options, *qdrant.Client) {
	t.Helper()
	here := env.Environ()
	address := here["QDRANT_TEST_URL"]
	if address == "" {
		if here["REQUIRE_QDRANT"] == "1" {
			t.Fatal("QDRANT_TEST_URL is not set")
		}
		t.Skip("QDRANT_TEST_URL is not set: make test-qdrant says how")
	}
	hash := sha256.Sum256([]byte(place))
	o := options("")
	o.URL, o.Key = address, env.Secret(here["QDRANT_TEST_API_KEY"])
	o.Prefix = "test-" + hex.EncodeToString(hash[:6])
	o.Quantization = qdrantindex.Quantization(here["QDRANT_TEST_QUANTIZATION"])
	if n, _ := strconv.Atoi(here["QDRANT_TEST_SHARDS"]); n > 0 {
		o.Shards = n
	}
	if n, _ := strconv.Atoi(here["QDRANT_TEST_REPLICAS"]); n > 0 {
		o.Replicas = n
	}
	// The machine that runs tests is busy.
	o.Timeout, o.WriteTimeout = 30*time.Second, time.Minute
	u, err := qdrantindex.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	client, err := qdrant.NewClient(&qdrant.Config{
		Host: u.Hostname(), Port: port, UseTLS: u.Scheme == "https", PoolSize: 1, SkipCompatibilityCheck: true,
		Headers: map[string]string{"api-key": o.Key.Reveal()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		all, err := client.ListCollections(context.Background())
		if err != nil {
			t.Error(err)
		}
		for _, name := range all {
			if strings.HasPrefix(name, o.Prefix) {
				if err := client.DeleteCollection(context.Background(), name); err != nil {
					t.Error(err)
				}
			}
		}
		_ = client.Close()
	})
	return o, client
}

func TestQdrantContract(t *testing.T) {
	real(t, "")
	indextest.Run(t, func(t *testing.T, place string) (rag.Index, func()) {
		o, _ := real(t, place)
		x, err := qdrantindex.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		return x, func() {
			if err := x.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// Two replicas of the service write and read the same documents: what either has
// stored both find, and no reader of either sees neither edition or both.
func TestQdrantReplicas(t *testing.T) {
	o, _ := real(t, t.TempDir())
	var replicas []*qdrantindex.Index
	for i := range 2 {
		o.Owner = fmt.Sprint("replica", i)
		replicas = append(replicas, openWith(t, o))
	}
	edition := func(n int) rag.Document {
		return indextest.Document("shared", fmt.Sprint(n), fmt.Sprintf("edition number%d", n), fmt.Sprintf("edition number%d again", n))
	}
	if err := replicas[0].Put(t.Context(), edition(0)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	for i := range 20 {
		readers.Go(func() {
			for ctx.Err() == nil {
				found, err := replicas[i%2].Search(t.Context(), withSource(indextest.Query("edition", 9), "shared"))
				if err != nil || len(found.Hits) != 2 || found.Hits[0].Chunk.Text+" again" != found.Hits[1].Chunk.Text && found.Hits[1].Chunk.Text+" again" != found.Hits[0].Chunk.Text {
					t.Errorf("a reader saw %+v, %v", found, err)
					return
				}
			}
		})
	}
	for i, x := range replicas {
		writers.Go(func() {
			for n := range 10 {
				if err := x.Put(t.Context(), edition(100*i+n)); err != nil {
					t.Errorf("replica %d: %v", i, err)
				}
				if err := x.Put(t.Context(), indextest.Document(fmt.Sprintf("own%d-%d", i, n), "1", "edition of its own")); err != nil {
					t.Errorf("replica %d: %v", i, err)
				}
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
	var first []rag.State
	for i, x := range replicas {
		all, err := x.Documents(t.Context(), rag.DefaultCollection)
		if err != nil || len(all) != 21 {
			t.Errorf("replica %d has %d documents, %v", i, len(all), err)
		}
		if i == 0 {
			first = all
		} else if diff := cmp.Diff(first, all); diff != "" {
			t.Errorf("the replicas differ:\n%s", diff)
		}
	}
	if err := replicas[0].Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func withSource(q rag.Query, source string) rag.Query {
	q.Filter.Sources = []string{source}
	return q
}

// count counts all chunks in Qdrant, read or not.
func count(t *testing.T, o qdrantindex.Options, client *qdrant.Client) uint64 {
	t.Helper()
	n, err := client.Count(t.Context(), &qdrant.CountPoints{CollectionName: o.Prefix + "-" + rag.DefaultCollection, Exact: qdrant.PtrOf(true)})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What a writer who died has left is not found by anybody, and is gone after the
// next start of the same replica.
func TestQdrantLeftovers(t *testing.T) {
	o, client := real(t, t.TempDir())
	first := openWith(t, o)
	if err := first.Put(t.Context(), indextest.Document("whole", "1", "rent arrears", "council tax")); err != nil {
		t.Fatal(err)
	}
	if err := first.Begin(t.Context(), indextest.Document("half", "1", "rent of half a document")); err != nil {
		t.Fatal(err)
	}
	if err := first.Scatter(t.Context(), indextest.Document("stray", "1", "rent of nobody")); err != nil {
		t.Fatal(err)
	}
	if n := count(t, o, client); n != 4 {
		t.Fatalf("%d points, want 4", n)
	}
	other := o
	other.Owner = "another replica"
	for _, x := range []*qdrantindex.Index{first, openWith(t, other)} {
		found, err := x.Search(t.Context(), indextest.Query("rent", 9))
		if err != nil || len(found.Hits) != 1 || found.Total != 2 || found.Frequency[0] != 1 {
			t.Errorf("found %+v, %v", found, err)
		}
	}
	again := openWith(t, o)
	if err := again.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if count(t, o, client) == 2 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if n := count(t, o, client); n != 2 {
		t.Errorf("%d points are left, want 2", n)
	}
}

// A deleted document is gone from Qdrant when Delete returns, name and all.
func TestQdrantDeleteLeavesNothing(t *testing.T) {
	o, client := real(t, t.TempDir())
	x := openWith(t, o)
	for n := range 3 {
		if err := x.Put(t.Context(), indextest.Document("secret-name", fmt.Sprint(n), "secret words")); err != nil {
			t.Fatal(err)
		}
	}
	if there, err := x.Delete(t.Context(), rag.Key{Collection: rag.DefaultCollection, Source: "secret-name"}); !there || err != nil {
		t.Fatalf("Delete = %v, %v", there, err)
	}
	all, err := client.ListCollections(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if !strings.HasPrefix(name, o.Prefix) {
			continue
		}
		points, err := client.Scroll(t.Context(), &qdrant.ScrollPoints{CollectionName: name, Limit: qdrant.PtrOf(uint32(100)), WithPayload: qdrant.NewWithPayload(true)})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range points {
			if strings.Contains(fmt.Sprint(p.GetPayload()), "secret") {
				t.Errorf("%s still has %v", name, p)
			}
		}
	}
}

// The collections are made as asked for.
func TestQdrantSettings(t *testing.T) {
	o, client := real(t, t.TempDir())
	o.Shards, o.Quantization = 3, qdrantindex.Int8
	x := openWith(t, o)
	id := indextest.Identity(0, 8)
	if err := x.Put(t.Context(), indextest.Document("a", "1", "rent", "tax", "water")); err != nil {
		t.Fatal(err)
	}
	if err := x.Stage(t.Context(), rag.DefaultCollection, id); err != nil {
		t.Fatal(err)
	}
	lacking, _, err := x.Unembedded(t.Context(), rag.DefaultCollection, 9)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []rag.Embedding
	for i, u := range lacking {
		vectors = append(vectors, rag.Embedding{Ref: u.Ref, Vector: indextest.Unit(1, float32(i), 0, 0, 0, 0, 0, 0)})
	}
	if err := x.Embed(t.Context(), rag.DefaultCollection, id, vectors); err != nil {
		t.Fatal(err)
	}
	if err := x.Promote(t.Context(), rag.DefaultCollection); err != nil {
		t.Fatal(err)
	}
	info, err := client.GetCollectionInfo(t.Context(), o.Prefix+"-"+rag.DefaultCollection) // the alias
	if err != nil {
		t.Fatal(err)
	}
	params := info.GetConfig().GetParams()
	vector := params.GetVectorsConfig().GetParamsMap().GetMap()["dense"]
	if params.GetShardNumber() != 3 || vector.GetSize() != 8 || vector.GetQuantizationConfig().GetScalar().GetType() != qdrant.QuantizationType_Int8 ||
		params.GetSparseVectorsConfig().GetMap()["bm25"].GetModifier() != qdrant.Modifier_None {
		t.Errorf("the collection is %v", params)
	}
	o.Prefix, o.Shards, o.Quantization = o.Prefix+"-2", 1, qdrantindex.Full
	if err := openWith(t, o).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := client.GetCollectionInfo(t.Context(), o.Prefix+"-"+rag.DefaultCollection)
	if err != nil {
		t.Fatal(err)
	}
	if of := other.GetConfig().GetParams(); of.GetShardNumber() != 1 || of.GetSparseVectorsConfig().GetMap()["bm25"].GetModifier() != qdrant.Modifier_Idf {
		t.Errorf("the collection of one shard is %v", of)
	}
	if _, ok := info.GetPayloadSchema()["edition"]; !ok || info.GetConfig().GetMetadata()["embedding_model"].GetStringValue() != id.Model {
		t.Errorf("indexes %v, metadata %v", info.GetPayloadSchema(), info.GetConfig().GetMetadata())
	}
	q := indextest.Query("rent", 9)
	q.Dense = indextest.Unit(1, 0, 0, 0, 0, 0, 0, 0)
	found, err := x.Search(t.Context(), q)
	if err != nil || len(found.Hits) != 3 || found.Hits[0].Chunk.Text != "rent" {
		t.Errorf("found %+v, %v", found, err)
	}
}

// A collection of somebody else's is not taken over.
func TestQdrantForeign(t *testing.T) {
	o, client := real(t, t.TempDir())
	if err := client.CreateCollection(t.Context(), &qdrant.CreateCollection{
		CollectionName: o.Prefix + "_catalogue", VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 4, Distance: qdrant.Distance_Dot}),
	}); err != nil {
		t.Fatal(err)
	}
	says(t, openWith(t, o).Ping(t.Context()), fault.Unavailable, "QDRANT_PREFIX")
}

// A wrong key is told from a right one.
func TestQdrantKey(t *testing.T) {
	o, _ := real(t, t.TempDir())
	if o.Key == "" {
		t.Skip("QDRANT_TEST_API_KEY is not set")
	}
	o.Key = "wrong"
	says(t, openWith(t, o).Ping(t.Context()), fault.Unavailable, "QDRANT_API_KEY")
}

// Its port of HTTP is no port of gRPC.
func TestQdrantWrongPort(t *testing.T) {
	here := env.Environ()["QDRANT_TEST_HTTP_URL"]
	o, _ := real(t, t.TempDir())
	if here == "" {
		t.Skip("QDRANT_TEST_HTTP_URL is not set")
	}
	o.URL, o.Timeout = here, 3*time.Second
	err := openWith(t, o).Ping(t.Context())
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.DetailOf(err), "QDRANT_URL") {
		t.Errorf("%v", err)
	}
}
