package migration_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/providertest"
)

// requirements: all three programs are built on the one provider package, and
// nobody else imports an engine's client.
func requirements(t *testing.T, s *showing) {
	const (
		ours   = "signpost.internal/"
		shared = ours + "pkg/provider"
	)
	clients := []string{"github.com/sashabaranov/go-openai", "github.com/ollama/ollama/api"}
	for service := range portVariables {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports", "./cmd/"+service)
		cmd.Dir = filepath.Join(root, "services", service)
		listed, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		importers := map[string][]string{} // of each package
		for decoder := json.NewDecoder(bytes.NewReader(listed)); ; {
			var p struct {
				ImportPath string
				Imports    []string
			}
			if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			for _, imported := range p.Imports {
				importers[imported] = append(importers[imported], p.ImportPath)
			}
		}
		if !slices.ContainsFunc(importers[shared], func(by string) bool { return strings.HasPrefix(by, ours+"services/"+service) }) {
			t.Errorf("%s does not import %s", service, shared)
		}
		for _, client := range clients {
			if len(importers[client]) == 0 {
				t.Errorf("%s does not speak to %s", service, client)
			}
			for _, by := range importers[client] {
				if strings.HasPrefix(by, ours) && by != shared {
					t.Errorf("%s imports %s", by, client)
				}
			}
		}
	}
	s.shows("by go list, the three programs depend on pkg/provider, which alone imports the clients of vLLM and Ollama")
}

// converse has a service ask its model: a question, a letter, or, where there
// is nothing to write, whether the model is ready.
func (p *program) converse(t *testing.T) answer {
	t.Helper()
	switch p.name {
	case rag:
		return p.json(t, "/query", map[string]any{"question": howLong})
	case notes:
		return p.convert(t)
	}
	return p.get(t, "/ready")
}

// prepare gives a service what it needs to be asked.
func (p *program) prepare(t *testing.T) {
	t.Helper()
	if p.name == rag {
		var ingested struct{ Success bool }
		p.json(t, "/ingest", map[string]any{"documents": []string{manualText}, "filenames": []string{"breathing-space.txt"}}).into(t, http.StatusOK, &ingested)
	}
}

// providerVariable: LLM_PROVIDER decides which server a program calls, and so
// does a switch while it runs.
func providerVariable(t *testing.T, s *showing) {
	services := slices.Sorted(maps.Keys(portVariables))
	for _, service := range services {
		for value, engine := range map[string]string{"vllm": provider.VLLM, "ollama": provider.Ollama, "": provider.Ollama} {
			t.Run(service+" "+cmp.Or(value, "unset"), func(t *testing.T) {
				reply := draft
				if service == rag {
					reply = "It lasts for 60 days [1]."
				}
				ups := map[string]*providertest.Upstream{provider.Ollama: providertest.NewOllama(t, reply), provider.VLLM: providertest.NewVLLM(t, reply)}
				environ := map[string]string{"OLLAMA_URL": ups[provider.Ollama].URL, "VLLM_URL": ups[provider.VLLM].URL, "VISION_PROVIDER": "none", "LLM_FALLBACK": "none"}
				if value != "" {
					environ["LLM_PROVIDER"] = value
				}
				p := start(t, service, environ)
				p.prepare(t)
				a := p.converse(t)
				if a.status != http.StatusOK {
					t.Errorf("%d %s", a.status, a.body)
				}
				for name, up := range ups {
					if asked := len(chats(up, "")); asked > 0 != (name == engine) {
						t.Errorf("%s was asked %d times", name, asked)
					}
				}
				if by, _, fallback := a.by(); service != docs && (by != engine || fallback != "") {
					t.Errorf("the headers name %q, fallback %q", by, fallback)
				}
				p.log.find(t, "msg=starting .*provider="+engine)
			})
		}
	}
	s.shows("each of the three programs, run with vllm, ollama and unset, calls that engine's server (unset: Ollama's) and not the other: for an answer, for a letter, and doc-processor to know whether it is ready")

	first, second := engines()
	ups := map[string]*providertest.Upstream{first: stub(t, first, draft), second: stub(t, second, draft)}
	file := filepath.Join(t.TempDir(), "provider.env")
	environ := inOrder(ups[first], ups[second])
	environ["PROVIDER_FILE"] = file
	running := map[string]*program{}
	for _, service := range services {
		running[service] = start(t, service, environ)
	}
	p := running[notes]
	by := func() string {
		name, _, fallback := p.convert(t).by()
		return name + fallback
	}
	if got := by(); got != first {
		t.Errorf("before the switch %q answers", got)
	}
	if a := put(t, p, "gpt"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a switch to gpt: %d %s", a.status, a.body)
	}
	if a := put(t, p, second); a.status != http.StatusOK {
		t.Errorf("a switch to %s: %d %s", second, a.status, a.body)
	}
	if got := by(); got != second {
		t.Errorf("after the switch %q answers", got)
	}
	for _, wanted := range []string{second, first} {
		if err := os.WriteFile(file, []byte("LLM_PROVIDER="+wanted+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, service := range services {
			running[service].log.find(t, `msg="model provider switched" .*provider=`+wanted+` .*by=file`)
			var state struct{ Provider string }
			if running[service].get(t, "/admin/provider").into(t, http.StatusOK, &state); state.Provider != wanted {
				t.Errorf("%s: %+v", service, state)
			}
		}
	}
	if got := by(); got != first {
		t.Errorf("after the rollback %q answers", got)
	}
	s.shows("PUT /admin/provider switches a running program, one edit of PROVIDER_FILE all three and back")
}

// put switches a running program to another provider.
func put(t *testing.T, p *program, to string) answer {
	t.Helper()
	return p.send(t, http.MethodPut, "/admin/provider", encoded(t, map[string]string{"provider": to}), contentType, asJSON)
}

// fallbackLogic: when the first choice cannot answer the second does, and says
// why; when nobody can it is an error.
func fallbackLogic(t *testing.T, s *showing) {
	first, second := engines()
	for _, tc := range []struct {
		name    string
		arrange func(*providertest.Upstream)
		reason  string
	}{
		{"refused", (*providertest.Upstream).Close, "unreachable"},
		{"timed out", (*providertest.Upstream).Hang, "first_token_timeout"},
		{"500", func(up *providertest.Upstream) { up.Fail(http.StatusInternalServerError) }, "server_error"},
		{"404 model", func(up *providertest.Upstream) { up.SetModels("another") }, "model_missing"},
		{"died mid-answer", (*providertest.Upstream).Cut, "cut"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ups := [2]*providertest.Upstream{stub(t, first, draft), stub(t, second, draft)}
			environ := inOrder(ups[0], ups[1])
			environ["LLM_FIRST_TOKEN_TIMEOUT"], environ["VLLM_MODEL"], environ["NOTES_REQUIRE_MODEL"] = "1s", providertest.VLLMModel, "true"
			tc.arrange(ups[0])
			p := start(t, notes, environ)
			var got letter
			a := p.convert(t)
			a.into(t, http.StatusOK, &got)
			by, model, fallback := a.by()
			if got.Method != "model" || !strings.Contains(got.Full, "£1,240") || by != second || model != modelOf(second) {
				t.Errorf("by %s %s: %s", by, model, a.body)
			}
			if fallback != first+" "+tc.reason {
				t.Errorf("the reason in the response is %q", fallback)
			}
			p.log.find(t, `msg="model fallback" .*provider=`+second+` .*fallback="`+first+" "+tc.reason)
			for series, want := range map[string]string{
				fmt.Sprintf(`llm_fallbacks_total{operation="chat",provider="%s"}`, second):                       "1",
				fmt.Sprintf(`llm_attempts_total{operation="chat",outcome="%s",provider="%s"}`, tc.reason, first): "1",
			} {
				if got := p.metric(t, series); got != want {
					t.Errorf("%s is %s", series, got)
				}
			}
		})
	}
	s.shows("%s refused, too slow, 500, without the model, dead in mid-answer: %s writes the letter, the reason is in X-LLM-Fallback, log and metrics", first, second)

	t.Run("died in the middle of a stream", func(t *testing.T) { seam(t, first, second) })
	s.shows("a reader of the event stream of /query is told where %s died and %s began anew", first, second)

	for name, arrange := range map[string]func(*providertest.Upstream){
		"400":             func(up *providertest.Upstream) { up.Fail(http.StatusBadRequest) },
		"prompt too long": func(up *providertest.Upstream) { up.SetContext(64) },
	} {
		t.Run(name, func(t *testing.T) {
			ups := [2]*providertest.Upstream{stub(t, first, draft), stub(t, second, draft)}
			environ := inOrder(ups[0], ups[1])
			environ["NOTES_REQUIRE_MODEL"], environ["VLLM_MODEL"] = "true", providertest.VLLMModel
			arrange(ups[0])
			start(t, notes, environ).convert(t).problem(t, http.StatusServiceUnavailable)
			if len(chats(ups[0], arrears)) == 0 || len(chats(ups[1], arrears)) > 0 {
				t.Errorf("%s was asked %d times, %s %d times", first, len(chats(ups[0], arrears)), second, len(chats(ups[1], arrears)))
			}
		})
	}
	s.shows("a 400 and a prompt that is too long go to no other")

	t.Run("both down", func(t *testing.T) {
		ups := [2]*providertest.Upstream{stub(t, first, draft), stub(t, second, draft)}
		environ := inOrder(ups[0], ups[1])
		environ["NOTES_REQUIRE_MODEL"] = "true"
		p := start(t, notes, environ)
		ups[0].Close()
		ups[1].Close()
		down := p.convert(t).problem(t, http.StatusServiceUnavailable)
		if !strings.Contains(down.Detail, "Ollama") || !strings.Contains(down.Detail, "vLLM") || down.Type != "urn:signpost:problem:unavailable" {
			t.Errorf("%+v", down)
		}
		ready := p.get(t, "/ready")
		if ready.status != http.StatusServiceUnavailable || !bytes.Contains(ready.body, []byte("OLLAMA_URL")) || !bytes.Contains(ready.body, []byte("VLLM_URL")) {
			t.Errorf("/ready: %d %s", ready.status, ready.body)
		}
	})
	s.shows("both down: 503, a typed error that names both, and /ready says what to set")

	t.Run("breaker and recovery", func(t *testing.T) {
		ups := [2]*providertest.Upstream{stub(t, first, draft), stub(t, second, draft)}
		p := start(t, notes, inOrder(ups[0], ups[1]))
		ups[0].Fail(http.StatusInternalServerError)
		by := func() string {
			name, _, fallback := p.convert(t).by()
			return name + " after " + fallback
		}
		eventually(t, "a call that leaves "+first+" alone", func() bool { return by() == second+" after "+first+" breaker_open" })
		asked := len(chats(ups[0], arrears))
		if by(); len(chats(ups[0], arrears)) != asked {
			t.Errorf("%s is asked while its breaker is open", first)
		}
		ups[0].Fail(0)
		eventually(t, "an answer by "+first, func() bool { return by() == first+" after " })
	})
	s.shows("after repeated failures %s is left alone, and asked again when it has recovered", first)
}

// seam streams an answer whose first server dies in the middle of it.
func seam(t *testing.T, first, second string) {
	const one, other = "It lasts for 60 days [1].", "A client may have it once in any period of 12 months [1]."
	ups := [2]*providertest.Upstream{stub(t, first, one+" "+other), stub(t, second, other+" "+one)}
	p := start(t, rag, inOrder(ups[0], ups[1]))
	p.prepare(t)
	if by, _, _ := p.converse(t).by(); by != first {
		t.Errorf("before its death %q answers", by)
	}
	ups[0].Cut()
	type event struct {
		Text         string
		From, To     struct{ Provider, Model string }
		Reason       string
		Answer, Mode string
		Provider     string
		Fallback     string
		Citations    []struct{ Document string }
	}
	var before, after []string // the sentences
	var torn, done *event
	a := p.stream(t, "/query", map[string]any{"question": howLong})
	for chunk := range strings.SplitSeq(strings.TrimSpace(string(a.body)), "\n\n") {
		name, data, _ := strings.Cut(strings.TrimPrefix(chunk, "event:"), "\n")
		var e event
		if err := json.Unmarshal([]byte(strings.TrimPrefix(data, "data:")), &e); err != nil {
			t.Fatalf("%v in %q", err, chunk)
		}
		switch {
		case name == "seam":
			torn = &e
		case name == "done":
			done = &e
		case name == "sentence" && torn == nil:
			before = append(before, strings.TrimSpace(e.Text))
		case name == "sentence":
			after = append(after, strings.TrimSpace(e.Text))
		}
	}
	if torn == nil || done == nil {
		t.Fatalf("no seam or no end: %s", a.body)
	}
	if !slices.Equal(before, []string{one}) || !slices.Equal(after, []string{other, one}) {
		t.Errorf("before the seam %q, after it %q", before, after)
	}
	if torn.From.Provider != first || torn.To.Provider != second || torn.To.Model != modelOf(second) || torn.Reason != "cut" {
		t.Errorf("seam %+v", torn)
	}
	if done.Answer != strings.Join(after, " ") || done.Provider != second || done.Fallback != first+" cut" || len(done.Citations) == 0 {
		t.Errorf("end %+v", done)
	}
}
