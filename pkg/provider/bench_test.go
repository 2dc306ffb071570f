package provider_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"signpost.internal/pkg/provider/providertest"
)

// BenchmarkChat measures a call through the Client, beside the same request
// made with net/http alone. The server gives the bytes of a stub's answer, ready
// made, in one piece.
func BenchmarkChat(b *testing.B) {
	for name, s := range stubs {
		up := s.start(b, reply)
		c := open(b, with(up, "VLLM_MODEL", providertest.VLLMModel))
		if _, err := c.Chat(b.Context(), ask("How long?")); err != nil {
			b.Fatal(err)
		}
		requests := up.Requests()
		sent := requests[len(requests)-1].Body
		client := &http.Client{Transport: &http.Transport{}}
		post := func(url string, to io.Writer) {
			request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url+s.chatPath, bytes.NewReader(sent))
			if err != nil {
				b.Fatal(err)
			}
			response, err := client.Do(request)
			if err != nil {
				b.Fatal(err)
			}
			defer response.Body.Close()
			if _, err := io.Copy(to, response.Body); err != nil {
				b.Fatal(err)
			}
		}
		var answer strings.Builder
		post(up.URL, &answer)
		ready := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, answer.String())
		}))
		b.Cleanup(ready.Close)
		c = open(b, with(up, "VLLM_MODEL", providertest.VLLMModel, strings.ToUpper(name)+"_URL", ready.URL))
		b.Run(name+"/client", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Chat(b.Context(), ask("How long?")); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/net_http", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				post(ready.URL, io.Discard)
			}
		})
		client.CloseIdleConnections()
	}
}
