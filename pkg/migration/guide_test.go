package migration_test

import (
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// guide reads docs/migration.md.
func guide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "migration.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// row is a line of one of the guide's tables: what it is about, and how that
// fares here.
type row struct{ about, fate string }

// table returns the first table under a heading.
func table(t *testing.T, text, heading string) []row {
	t.Helper()
	_, below, found := strings.Cut(text, "\n"+heading+"\n")
	if !found {
		t.Fatalf("there is no heading %q", heading)
	}
	if next := strings.Index(below, "\n#"); next >= 0 {
		below = below[:next]
	}
	var rows []row
	for _, cells := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (\\w+) \\|").FindAllStringSubmatch(below, -1) {
		rows = append(rows, row{cells[1], cells[2]})
	}
	return rows
}

// routes are RMA-Demo's, of both doc-processors, with what its framework added.
func routes() map[string][]string {
	framework := []string{"GET /openapi.json", "GET /docs", "GET /redoc"}
	return map[string][]string{
		rag: append([]string{
			"GET /", "GET /health", "GET /stats", "POST /query", "POST /agentic-query", "POST /symbolic-query",
			"POST /eligibility-check", "POST /ingest", "POST /ingest-pdf", "POST /ingest-all-manuals", "GET /thresholds",
			"GET /debug/thresholds", "POST /decision-tree/check", "GET /decision-tree/visualize", "GET /decision-tree/rules",
			"GET /diagrams/mermaid/{topic}", "GET /diagrams/graphviz/{topic}", "POST /diagrams/client-path",
			"POST /diagrams/advisor-package", "GET /diagrams/comparison", "GET /debug/documents", "GET /debug/sources",
		}, framework...),
		notes: append([]string{"GET /", "GET /health", "POST /convert"}, framework...),
		docs:  append([]string{"GET /", "GET /health", "GET /capabilities", "POST /process"}, framework...),
	}
}

// TestRoutesOfTheGuide holds that the guide lists every route of RMA-Demo's,
// and that the programs answer them as it says.
func TestRoutesOfTheGuide(t *testing.T) {
	text := guide(t)
	manuals := t.TempDir()
	if err := os.WriteFile(filepath.Join(manuals, "breathing-space.md"), []byte(manualText), 0o600); err != nil {
		t.Fatal(err)
	}
	for service, all := range routes() {
		t.Run(service, func(t *testing.T) {
			p := start(t, service, map[string]string{"LLM_PROVIDER": "none", "MANUALS_PATH": manuals})
			var listed []string
			for _, row := range table(t, text, "### "+service) {
				listed = append(listed, row.about)
				method, path, _ := strings.Cut(row.about, " ")
				a := p.send(t, method, strings.ReplaceAll(path, "{topic}", "dro"), strings.NewReader("{}"), contentType, asJSON)
				switch row.fate {
				case "kept", "changed":
					if slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusNotImplemented}, a.status) || a.status >= 500 {
						t.Errorf("%s is %s and answers %d: %s", row.about, row.fate, a.status, a.body)
					}
				case "planned":
					if got := a.problem(t, http.StatusNotImplemented); got.Type != "urn:signpost:problem:not_implemented" {
						t.Errorf("%s is planned and answers %+v", row.about, got)
					}
				case "dropped":
					if got := a.problem(t, http.StatusGone); got.Type != "urn:signpost:problem:gone" {
						t.Errorf("%s is dropped and answers %+v", row.about, got)
					}
				default:
					t.Errorf("%s is %q, which is not explained", row.about, row.fate)
				}
			}
			slices.Sort(all)
			slices.Sort(listed)
			if diff := cmp.Diff(all, listed); diff != "" {
				t.Errorf("routes (-RMA-Demo's +the guide's):\n%s", diff)
			}
		})
	}
}

// TestVariablesOfTheGuide holds that the variables named in the guide are those
// of the programs, and that those it calls ignored are not.
func TestVariablesOfTheGuide(t *testing.T) {
	text := guide(t)
	known := map[string]bool{}
	for service := range portVariables {
		help, err := exec.CommandContext(t.Context(), filepath.Join(bin, service), "-help").CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`(?m)^  ([A-Z_]+) \(`).FindAllStringSubmatch(string(help), -1) {
			known[name[1]] = true
		}
	}
	rmaDemo := map[string]bool{} // whether it counts here
	for _, row := range table(t, text, "## Variables") {
		rmaDemo[row.about] = row.fate == "kept" || row.fate == "changed"
		if known[row.about] != rmaDemo[row.about] {
			t.Errorf("%s is %s, and a program has it: %v", row.about, row.fate, known[row.about])
		}
	}
	for _, name := range regexp.MustCompile("`([A-Z]+_[A-Z_]+)(?:=[^`]*)?`").FindAllStringSubmatch(text, -1) {
		if counts, listed := rmaDemo[name[1]]; !known[name[1]] && (!listed || counts) {
			t.Errorf("no program has %s", name[1])
		}
	}
	wanted := []string{
		"CHROMADB_HOST", "CHROMADB_PORT", "CHROMA_HOST", "CHROMA_PORT", "CHROMA_URL", "DOC_PROCESSOR_PORT", "EMBEDDING_SERVICE_URL",
		"ENVIRONMENT", "EXTRACTION_SERVICE_URL", "LLAMA_PARSE_API_KEY", "LLM_PROVIDER", "MANUALS_PATH", "NER_SERVICE_URL",
		"NOTES_SERVICE_PORT", "OCR_SERVICE_URL", "OLLAMA_MODEL", "OLLAMA_URL", "TEXT_MODEL", "USE_GRAPH_REASONING", "USE_LANGGRAPH",
		"USE_LOCAL_PARSING", "USE_VISION_ANALYSIS", "VECTORSTORE_PATH", "VISION_MODEL", "VISION_OLLAMA_URL", "VLLM_API_KEY", "VLLM_URL",
	}
	if diff := cmp.Diff(wanted, slices.Sorted(maps.Keys(rmaDemo))); diff != "" {
		t.Errorf("variables (-RMA-Demo's +the guide's):\n%s", diff)
	}
}
