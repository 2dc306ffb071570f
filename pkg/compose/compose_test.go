// Package compose has the tests of the two Compose files: that they say what
// the services, the images and the design say. They need no Docker.
package compose

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
)

const root = "../.."

// The files, and our services with their ports.
var (
	files = []string{"docker-compose.yml", "docker-compose.vllm.yml"}
	ours  = map[string]string{"doc-processor": "8101", "notes-service": "8100", "rag-service": "8102"}
)

// load reads a file as Compose does, with these variables and no others.
func load(t *testing.T, file string, environ ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, file)}, cli.WithEnv(environ), cli.WithoutEnvironmentResolution)
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return project
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// value of a variable of a service; fails if it is not set.
func value(t *testing.T, s types.ServiceConfig, name string) string {
	t.Helper()
	v := s.Environment[name]
	if v == nil {
		t.Fatalf("%s: %s is not set", s.Name, name)
	}
	return *v
}

// eachFile runs the test of both files with nothing set.
func eachFile(t *testing.T, test func(t *testing.T, p *types.Project)) {
	for _, file := range files {
		t.Run(file, func(t *testing.T) { test(t, load(t, file)) })
	}
}

func TestVariablesExist(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)` ")
	eachFile(t, func(t *testing.T, p *types.Project) {
		for name := range ours {
			known := map[string]bool{}
			for _, match := range row.FindAllStringSubmatch(read(t, "docs", "configuration", name+".md"), -1) {
				known[match[1]] = true
			}
			for variable := range p.Services[name].Environment {
				if !known[variable] {
					t.Errorf("%s: %s is no variable of its configuration", name, variable)
				}
			}
		}
	})
}

func TestAddressesMatch(t *testing.T) {
	eachFile(t, func(t *testing.T, p *types.Project) {
		for name, port := range ours {
			s := p.Services[name]
			variable := strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_PORT"
			if got := value(t, s, variable); got != port {
				t.Errorf("%s listens on %s", name, got)
			}
			if len(s.Ports) != 1 || s.Ports[0].Published != port || s.Ports[0].Target != mustPort(port) {
				t.Errorf("%s publishes %+v", name, s.Ports)
			}
			if got := value(t, s, "LISTEN_HOST"); got != "0.0.0.0" {
				t.Errorf("%s listens at %s: nothing outside the container reaches it", name, got)
			}
			if !strings.Contains(read(t, "services", name, "Dockerfile"), "\nEXPOSE "+port+"\n") {
				t.Errorf("%s: its image exposes another port", name)
			}
		}
		if got := value(t, p.Services["rag-service"], "DOC_PROCESSOR_URL"); got != "http://doc-processor:8101" {
			t.Errorf("rag-service asks %s", got)
		}
		for name := range ours {
			if got := value(t, p.Services[name], "OLLAMA_URL"); got != "http://ollama:11434" {
				t.Errorf("%s asks %s", name, got)
			}
		}
		if got := value(t, p.Services["ollama"], "OLLAMA_HOST"); got != "0.0.0.0:11434" {
			t.Errorf("Ollama listens at %s", got)
		}
	})
}

func mustPort(port string) uint32 {
	return map[string]uint32{"8100": 8100, "8101": 8101, "8102": 8102}[port]
}

func TestNothingBeyondLoopback(t *testing.T) {
	// Also with every port and address that can be set being set.
	set := []string{"DOC_PROCESSOR_PORT=18101", "NOTES_SERVICE_PORT=18100", "RAG_SERVICE_PORT=18102", "LISTEN_HOST=0.0.0.0"}
	for _, file := range files {
		for _, environ := range [][]string{nil, set} {
			for name, s := range load(t, file, environ...).Services {
				for _, port := range s.Ports {
					if port.HostIP != "127.0.0.1" {
						t.Errorf("%s: %s publishes %s on %q", file, name, port.Published, port.HostIP)
					}
				}
				if s.NetworkMode == "host" || s.Privileged || s.Pid == "host" {
					t.Errorf("%s: %s is not kept apart from the machine", file, name)
				}
			}
		}
	}
}

func TestUnauthenticatedOnlyBehindLoopback(t *testing.T) {
	eachFile(t, func(t *testing.T, p *types.Project) {
		for name := range ours {
			if got := value(t, p.Services[name], "ALLOW_UNAUTHENTICATED"); got != "true" {
				t.Errorf("%s: ALLOW_UNAUTHENTICATED is %q: without a key it does not start", name, got)
			}
		}
	})
}

// A folder of keys is mounted where the services look for the file, and the
// services' own key is passed on; without the folder nobody looks for keys.
func TestKeys(t *testing.T) {
	for _, file := range files {
		without, with := load(t, file), load(t, file, "API_KEYS_DIR=/srv/keys", "DOC_PROCESSOR_API_KEY=secret")
		for name := range ours {
			if got := value(t, without.Services[name], "API_KEYS_FILE"); got != "" {
				t.Errorf("%s: %s looks for keys in %s", file, name, got)
			}
			s := with.Services[name]
			folder := filepath.Dir(value(t, s, "API_KEYS_FILE"))
			if !slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
				return v.Target == folder && v.Source == "/srv/keys" && v.ReadOnly
			}) {
				t.Errorf("%s: %s has no keys at %s", file, name, folder)
			}
		}
		if got := value(t, with.Services["rag-service"], "DOC_PROCESSOR_API_KEY"); got != "secret" {
			t.Errorf("%s: rag-service asks doc-processor with the key %q", file, got)
		}
	}
}

func TestHealthChecks(t *testing.T) {
	// What images that are not ours have.
	foreign := map[string]string{"ollama": "ollama", "vllm": "python3", "qdrant": "bash"}
	eachFile(t, func(t *testing.T, p *types.Project) {
		for name, s := range p.Services {
			_, our := ours[name]
			switch {
			case our:
				program := "/usr/local/bin/" + name
				dockerfile := read(t, "services", name, "Dockerfile")
				for _, want := range []string{
					"COPY --from=build /out/" + name + " " + program + "\n",
					`CMD ["` + program + `", "-healthcheck"]`,
					`ENTRYPOINT ["` + program + `"]`,
					"\nUSER 10001:10001\n",
				} {
					if !strings.Contains(dockerfile, want) {
						t.Errorf("%s: its Dockerfile lacks %q", name, want)
					}
				}
				if s.HealthCheck != nil {
					t.Errorf("%s: the image's health check is replaced", name)
				}
			case s.Restart == "": // runs once
				if s.HealthCheck != nil {
					t.Errorf("%s runs once and has a health check", name)
				}
			default:
				if s.HealthCheck == nil || len(s.HealthCheck.Test) < 2 || s.HealthCheck.Test[0] != "CMD" || s.HealthCheck.Test[1] != foreign[name] {
					t.Errorf("%s: health check %v, whose image has %q", name, s.HealthCheck, foreign[name])
				}
			}
			for other, d := range s.DependsOn {
				_, built := ours[other]
				switch needs := p.Services[other]; d.Condition {
				case types.ServiceConditionHealthy:
					if !built && needs.HealthCheck == nil {
						t.Errorf("%s waits for the health of %s, which has no check", name, other)
					}
				case types.ServiceConditionCompletedSuccessfully:
					if needs.Restart != "" {
						t.Errorf("%s waits for the end of %s, which never ends", name, other)
					}
				default:
					t.Errorf("%s waits for %s by %s", name, other, d.Condition)
				}
				if other == "ollama-pull" || other == "vllm" {
					t.Errorf("%s waits for %s: offline, or with a broken GPU, it would never start", name, other)
				}
			}
		}
	})
}

func TestOperations(t *testing.T) {
	eachFile(t, func(t *testing.T, p *types.Project) {
		if p.Name != "signpost" {
			t.Errorf("project %q: the files must share their volumes", p.Name)
		}
		for name, s := range p.Services {
			if s.MemLimit <= 0 {
				t.Errorf("%s has no memory limit", name)
			}
			if s.Logging == nil || s.Logging.Options["max-size"] == "" || s.Logging.Options["max-file"] == "" {
				t.Errorf("%s: its logs are not rotated", name)
			}
			if _, our := ours[name]; our {
				if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
					t.Errorf("%s is not hardened", name)
				}
			} else if _, tag, ok := strings.Cut(s.Image, ":"); !ok || tag == "latest" {
				t.Errorf("%s: %s is not pinned", name, s.Image)
			}
		}
	})
}

func TestManuals(t *testing.T) {
	mount := func(environ ...string) types.ServiceVolumeConfig {
		s := load(t, "docker-compose.yml", environ...).Services["rag-service"]
		at := slices.IndexFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == value(t, s, "MANUALS_PATH") })
		if at < 0 {
			t.Fatal("nothing is mounted at MANUALS_PATH")
		}
		return s.Volumes[at]
	}
	if m := mount(); m.Type != "volume" || m.Source != "sample-manuals" || !m.ReadOnly {
		t.Errorf("by default: %+v", m)
	}
	if m := mount("MANUALS_PATH=/srv/manuals"); m.Type != "bind" || m.Source != "/srv/manuals" || !m.ReadOnly {
		t.Errorf("with MANUALS_PATH: %+v", m)
	}
	if !strings.Contains(read(t, "services", "rag-service", "Dockerfile"), "COPY --from=build /out/manuals /manuals\n") {
		t.Error("the image has no sample manuals for the volume")
	}
}

// Qdrant is the index unless somebody says otherwise, and as guarded as the rest.
func TestIndex(t *testing.T) {
	eachFile(t, func(t *testing.T, p *types.Project) {
		q, s := p.Services["qdrant"], p.Services["rag-service"]
		if got := value(t, s, "QDRANT_URL"); got != "http://qdrant:6334" {
			t.Errorf("rag-service's index is at %q", got)
		}
		if key := value(t, q, "QDRANT__SERVICE__API_KEY"); key == "" || key != value(t, s, "QDRANT_API_KEY") {
			t.Errorf("Qdrant's key is %q, rag-service has %q", key, value(t, s, "QDRANT_API_KEY"))
		}
		if value(t, q, "QDRANT__TELEMETRY_DISABLED") != "true" || value(t, q, "QDRANT__SERVICE__ENABLE_SNAPSHOT_URL_RECOVERY") != "false" {
			t.Error("Qdrant may call elsewhere")
		}
		if len(q.Ports) != 0 {
			t.Errorf("Qdrant publishes %+v", q.Ports)
		}
		if !q.ReadOnly || !slices.Contains(q.CapDrop, "ALL") || !slices.Contains(q.SecurityOpt, "no-new-privileges:true") {
			t.Error("Qdrant is not hardened")
		}
		if !slices.ContainsFunc(q.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == "/qdrant/storage" && v.Type == "volume" }) {
			t.Error("Qdrant's storage is in no volume")
		}
		if d := s.DependsOn["qdrant"]; d.Condition != types.ServiceConditionHealthy || d.Required {
			t.Errorf("rag-service waits for Qdrant by %+v", d)
		}
	})
	for _, file := range files {
		with := load(t, file, "QDRANT_URL=", "QDRANT_API_KEY=secret")
		if got := value(t, with.Services["rag-service"], "QDRANT_URL"); got != "" {
			t.Errorf("%s: the index is still at %q", file, got)
		}
		if got := value(t, with.Services["qdrant"], "QDRANT__SERVICE__API_KEY"); got != "secret" {
			t.Errorf("%s: Qdrant's key is %q", file, got)
		}
	}
}

func TestGPUs(t *testing.T) {
	gpus := func(p *types.Project) map[string][]string {
		found := map[string][]string{}
		for name, s := range p.Services {
			if s.Deploy == nil || s.Deploy.Resources.Reservations == nil {
				continue
			}
			for _, d := range s.Deploy.Resources.Reservations.Devices {
				if d.Driver != "nvidia" || !slices.Contains(d.Capabilities, "gpu") {
					t.Errorf("%s: %+v", name, d)
				}
				found[name] = append(found[name], d.IDs...)
			}
		}
		return found
	}
	for _, c := range []struct {
		file    string
		environ []string
		want    map[string][]string
	}{
		{"docker-compose.yml", nil, map[string][]string{}},
		{"docker-compose.vllm.yml", nil, map[string][]string{"ollama": {"0"}, "vllm": {"1"}}},
		{"docker-compose.vllm.yml", []string{"OLLAMA_GPU=1", "VLLM_GPU=0"}, map[string][]string{"ollama": {"1"}, "vllm": {"0"}}},
	} {
		if diff := cmp.Diff(c.want, gpus(load(t, c.file, c.environ...))); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", c.file, c.environ, diff)
		}
	}
}

// The second file is the first with vLLM: what differs beside it is listed here.
func TestNoDrift(t *testing.T) {
	plain, vllm := load(t, files[0]), load(t, files[1])
	want := slices.Sorted(maps.Keys(plain.Services))
	want = slices.Sorted(slices.Values(append(want, "vllm")))
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(vllm.Services))); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	volumes := slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(plain.Volumes)), "vllm")))
	if diff := cmp.Diff(volumes, slices.Sorted(maps.Keys(vllm.Volumes))); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
	may := []string{
		"LLM_PROVIDER", "LLM_FALLBACK", "EMBEDDING_PROVIDER", "VISION_PROVIDER", "VLLM_URL", "VLLM_MODEL",
		"USE_VISION_ANALYSIS", "MODELS",
	}
	for name, a := range plain.Services {
		b := vllm.Services[name]
		for _, variable := range may {
			delete(a.Environment, variable)
			delete(b.Environment, variable)
		}
		b.Deploy = a.Deploy
		b.Extends = a.Extends
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("%s (-%s +%s):\n%s", name, files[0], files[1], diff)
		}
	}
}

func TestProviders(t *testing.T) {
	for _, c := range []struct {
		file, chosen, want, fallback string
	}{
		{"docker-compose.yml", "", "ollama", ""},
		{"docker-compose.yml", "none", "none", ""},
		{"docker-compose.vllm.yml", "", "vllm", "ollama"},
		{"docker-compose.vllm.yml", "ollama", "ollama", "ollama"},
	} {
		p := load(t, c.file, "LLM_PROVIDER="+c.chosen)
		for name := range ours {
			s := p.Services[name]
			if got := value(t, s, "LLM_PROVIDER"); got != c.want {
				t.Errorf("%s, LLM_PROVIDER=%s: %s has %s", c.file, c.chosen, name, got)
			}
			if got := value(t, s, "LLM_FALLBACK"); got != c.fallback {
				t.Errorf("%s, LLM_PROVIDER=%s: %s falls back to %q", c.file, c.chosen, name, got)
			}
			folder := filepath.Dir(value(t, s, "PROVIDER_FILE"))
			if !slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
				return v.Target == folder && v.Source == "provider" && v.ReadOnly
			}) {
				t.Errorf("%s: %s does not watch the file that all watch", c.file, name)
			}
		}
		if got := value(t, p.Services["provider"], "LLM_PROVIDER"); got != c.want {
			t.Errorf("%s, LLM_PROVIDER=%s: the file would say %s", c.file, c.chosen, got)
		}
	}
	for _, model := range []string{"", "another"} {
		vllm := load(t, "docker-compose.vllm.yml", "VLLM_MODEL="+model)
		served := "--served-model-name=" + value(t, vllm.Services["rag-service"], "VLLM_MODEL")
		if command := vllm.Services["vllm"].Command; !slices.Contains(command, served) {
			t.Errorf("the services ask for another model than vLLM serves: %v", command)
		}
	}
}
