package provider

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lines of the engines' kinds, plain and not.
var lines = []string{
	`{"model":"llama3.2","created_at":"2026-01-02T03:04:05Z","message":{"role":"assistant","content":" sixty"},"done":false}`,
	`{"model":"m","done":true,"done_reason":"stop","total_duration":5000000,"prompt_eval_count":12,"eval_count":3,"message":{"content":"","thinking":"Hm."}}`,
	`{"id":"c","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"logprobs":null,"finish_reason":null}],"usage":null}`,
	`{"model":"m","choices":[{"delta":{"reasoning":"r","reasoning_content":"s","content":null},"finish_reason":"stop","stop_reason":null}]}`,
	` { "choices" : [ ] , "usage" : { "prompt_tokens" : 7 , "completion_tokens" : -3, "prompt_tokens_details": {"cached": [1.5e3, true, {}]} } } `,
	`{"error":{"message":"no","code":503}}`, `{"error":"no"}`, `{"error":null}`, `null`, `{}`, ``, `[]`, `1`, `{"model":1}`,
	`{"message":{"content":"\u003cb\u003e \"a\\b\" £ é 😀 \ud83d\ude00 \ud800 \n"}}`,
	"{\"message\":{\"content\":\"\xff\"}}", "{\"model\":\"a\nb\"}", `{"model":"a\x"}`, `{"model":"\u12"}`, `{"model":"`,
	`{"Model":"a"}`, `{"MODEL":"a","model":"b"}`, `{"mo\u0064el":"a"}`, `{"model":"a","model":"b"}`, `{"choices":[{"finish_reason":"a"}],"choices":[{}]}`,
	`{"eval_count":1.0}`, `{"eval_count":01}`, `{"eval_count":-0}`, `{"eval_count":1e2}`, `{"eval_count":99999999999999999999}`, `{"eval_count":"1"}`, `{"eval_count":-}`,
	`{"done":"true"}`, `{"done":truex}`, `{"x":nul}`, `{"x":+1}`, `{"x":.5}`, `{"x":1.}`, `{"x":tru}`, `{"model":"a",}`, `{"model":"a"}x`, `{"x":[1,]}`, `{"x":[1 2]}`,
	`{"message":null,"choices":null,"usage":null,"model":null,"done":null,"eval_count":null}`,
	`{"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
}

// TestScan holds that lines of the engines are of the plain kind, and that the
// scanner gives up on what is not.
func TestScan(t *testing.T) {
	for i, line := range lines {
		plain := (&ollamaLine{}).scan([]byte(line), "", new(strings.Builder)) && (&vllmChunk{}).scan([]byte(line), "", new(strings.Builder))
		if want := i < 5; want && !plain {
			t.Errorf("left to encoding/json: %s", line)
		}
		if plain && !json.Valid([]byte(line)) {
			t.Errorf("read, and is not JSON: %s", line)
		}
	}
}

// FuzzScan holds that a scanner reads what encoding/json reads.
func FuzzScan(f *testing.F) {
	for _, line := range lines {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var ollama, wantOllama ollamaLine
		if ollama.scan([]byte(line), "m", new(strings.Builder)) {
			err := json.Unmarshal([]byte(line), &wantOllama)
			if diff := cmp.Diff(wantOllama, ollama); diff != "" || err != nil {
				t.Errorf("%s: %v %s", line, err, diff)
			}
		}
		used := vllmChunk{Choices: make([]vllmChoice, 3)}
		used.Choices[0].FinishReason, used.Choices[1].Delta.Content = "left", "over"
		got, want := vllmChunk{Choices: used.Choices[:0]}, vllmChunk{}
		if got.scan([]byte(line), "m", new(strings.Builder)) {
			err := json.Unmarshal([]byte(line), &want)
			if len(got.Choices)+len(want.Choices) == 0 {
				got.Choices, want.Choices = nil, nil
			}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s: %v %s", line, err, diff)
			}
		}
	})
}

func TestLineReader(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	reader := newLineReader(io.MultiReader(strings.NewReader("a\r\n\n"+long), strings.NewReader(long+"\nb")))
	for _, want := range []struct {
		line  string
		whole bool
	}{{"a", true}, {"", true}, {long + long, true}, {"b", false}} {
		line, whole, err := reader.next()
		if err != nil || string(line) != want.line || whole != want.whole {
			t.Errorf("%d bytes, whole %v, %v; want %d, %v", len(line), whole, err, len(want.line), want.whole)
		}
	}
	if _, _, err := reader.next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	if _, _, err := newLineReader(io.MultiReader(strings.NewReader("half"), broken{})).next(); !errors.Is(err, errIncomplete) {
		t.Errorf("a cut line: %v", err)
	}
	if _, _, err := newLineReader(strings.NewReader(strings.Repeat("x", maxLine+1))).next(); !errors.Is(err, errGarbled) {
		t.Errorf("too long a line: %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestEvents holds what of a vLLM stream is an event.
func TestEvents(t *testing.T) {
	for name, tc := range map[string]struct {
		stream string
		want   []string
	}{
		"events":           {"data: {\"a\":1}\n\n: ping\n\nevent: x\ndata:{\"b\":2}\r\n\r\ndata: [DONE]\n\ndata: {}\n", []string{`{"a":1}`, `{"b":2}`}},
		"a cut event":      {"data: {\"a\":1}\n\ndata: {\"b\"", []string{`{"a":1}`}},
		"done at the end":  {"data: {\"a\":1}\n\ndata: [DONE]", []string{`{"a":1}`}},
		"an error, no SSE": {"{\n \"error\": {\"message\": \"no\"}\n}\n", []string{`{"error": {"message": "no"}}`}},
		"another object":   {"{\"choices\":[{\"finish_reason\":\"stop\"}]}\n", nil},
		"text":             {"<html>\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			events := eventReader{lines: newLineReader(strings.NewReader(tc.stream))}
			var got []string
			for {
				event, err := events.next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(event))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
