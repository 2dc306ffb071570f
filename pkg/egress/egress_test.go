package egress_test

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"signpost.internal/pkg/egress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func address(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestOnlyWhatIsAllowedIsDialled(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	port := address(t, server.URL).Port()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	open := egress.New(egress.Config{}, logger)
	open.Allow(address(t, server.URL), address(t, "http://LocalHost:"+port), address(t, "https://secure.example"))
	fixed := egress.New(egress.Config{Allow: []string{"127.0.0.1:" + port}}, logger)
	fixed.Allow(address(t, "http://localhost:"+port))
	for _, tc := range []struct {
		name    string
		dialer  *egress.Dialer
		address string
		blocked bool
	}{
		{"configured", open, "127.0.0.1:" + port, false},
		{"configured, other letters", open, "localhost:" + port, false},
		{"another port", open, "127.0.0.1:1", true},
		{"the same by another name", open, "[::ffff:127.0.0.1]:" + port, true},
		{"another host", open, "exfiltration.example:443", true},
		{"the https port is that of https", open, "secure.example:80", true},
		{"listed", fixed, "127.0.0.1:" + port, false},
		{"named elsewhere only", fixed, "localhost:" + port, true},
	} {
		log.Reset()
		conn, err := tc.dialer.DialContext(t.Context(), "tcp", tc.address)
		var blocked *egress.BlockedError
		if errors.As(err, &blocked) != tc.blocked || !tc.blocked && err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if strings.Contains(log.String(), `address=`+tc.address) != tc.blocked && strings.Contains(log.String(), `address="`+tc.address) != tc.blocked {
			t.Errorf("%s: the log says %q", tc.name, log.String())
		}
		if conn != nil {
			conn.Close()
		}
	}
}

func TestTransport(t *testing.T) {
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	defer server.Close()
	t.Setenv("HTTP_PROXY", elsewhere.URL)
	dialer := egress.New(egress.Config{}, nil)
	dialer.Allow(address(t, server.URL))
	client := &http.Client{Transport: dialer.Transport()}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	var blocked *egress.BlockedError
	if _, err := client.Do(r); !errors.As(err, &blocked) || !strings.Contains(blocked.Error(), address(t, elsewhere.URL).Host) {
		t.Errorf("a redirect elsewhere: %v", err)
	}
}

func TestValidate(t *testing.T) {
	if faults := (egress.Config{Allow: []string{"localhost:11434", "[::1]:80"}}).Validate(); len(faults) > 0 {
		t.Error(faults)
	}
	for _, bad := range []string{"localhost", "http://localhost:80", ":80", "localhost:0", "localhost:http"} {
		if faults := (egress.Config{Allow: []string{bad}}).Validate(); len(faults) != 1 {
			t.Errorf("%q: %v", bad, faults)
		}
	}
}

// exceptions may dial otherwise: each with its reason.
func exceptions() map[string]string {
	return map[string]string{
		"pkg/egress":                "is the dialler",
		"pkg/runner":                "asks the services that it started how far they are; it is no service",
		"pkg/provider/enginetest":   "is test support",
		"pkg/provider/providertest": "is test support",
		"scripts":                   "are run by hand and by tests",
	}
}

// TestNobodyElseDials looks for other ways to the network in what the services
// are built of: net's dial functions and Dialer, net/http's shared client and
// transport, transports of one's own, and clients without a transport.
func TestNobodyElseDials(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata"):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for exception := range exceptions() {
			if strings.HasPrefix(filepath.ToSlash(relative), exception+"/") {
				return nil
			}
		}
		files++
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, found := range dials(t, relative, string(source)) {
			t.Errorf("%s: make it with pkg/egress", found)
		}
		return nil
	})
	if err != nil || files < 50 {
		t.Errorf("%d files, %v", files, err)
	}
	for _, bad := range []string{
		"net.Dial(a, b)", "(&net.Dialer{}).DialContext", "http.Get(a)", "http.DefaultClient.Do(r)", "&http.Client{}", "http.Client{Timeout: 1}",
		"&http.Transport{}", "new(http.Transport)", "tls.Dial(a, b, c)", "net.DefaultResolver.LookupHost(a, b)", "net.LookupHost(a)",
	} {
		if len(dials(t, "bad.go", "package p\nvar _ = "+bad)) == 0 {
			t.Errorf("%s is not found", bad)
		}
	}
}

// dials returns the places of a file that reach the network.
func dials(t *testing.T, name, source string) []string {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	report := func(at ast.Node, what string) { found = append(found, set.Position(at.Pos()).String()+": "+what) }
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.SelectorExpr:
			pkg, ok := n.X.(*ast.Ident)
			if !ok {
				break
			}
			what, member := pkg.Name+"."+n.Sel.Name, n.Sel.Name
			switch {
			case pkg.Name == "net" && (strings.HasPrefix(member, "Dial") || strings.HasPrefix(member, "Lookup") || member == "DefaultResolver" || member == "Resolver"),
				pkg.Name == "tls" && strings.HasPrefix(member, "Dial"),
				pkg.Name == "http" && (member == "Get" || member == "Post" || member == "PostForm" || member == "Head" ||
					member == "DefaultClient" || member == "DefaultTransport"):
				report(n, what)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "new" && len(n.Args) == 1 && (selects(n.Args[0], "Transport") || selects(n.Args[0], "Client")) {
				report(n, "new http.Transport or Client")
			}
		case *ast.CompositeLit:
			if selects(n.Type, "Transport") {
				report(n, "http.Transport")
			}
			if selects(n.Type, "Client") && !strings.Contains(source[n.Pos()-1:n.End()-1], "Transport:") {
				report(n, "http.Client without Transport")
			}
		}
		return true
	})
	return found
}

// selects reports whether an expression is http.name.
func selects(e ast.Expr, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := s.X.(*ast.Ident)
	return ok && pkg.Name == "http" && s.Sel.Name == name
}
