package note

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The notes are invented, as is everybody in them.
func TestGoldenLetters(t *testing.T) {
	files, err := filepath.Glob("testdata/notes/*.txt")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d notes, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			notes, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := Read(string(notes), "Sam Example")
			s := r.Sections()
			var b strings.Builder
			b.WriteString(full(rulesMark, "Sam Example", text(s.Matters, NoMatters), text(s.Ours, NoOurs), text(s.Yours, NoYours)))
			b.WriteString("\n\n==== facts\n")
			for _, f := range r.Facts() {
				fmt.Fprintf(&b, "%d %s %q = %q", f.Line, f.Kind, f.Text, f.Value)
				for _, more := range []string{f.Period, string(f.Owner), f.Deadline} {
					if more != "" {
						b.WriteString(" | " + more)
					}
				}
				if f.Internal {
					b.WriteString(" | internal")
				}
				if f.Superseded {
					b.WriteString(" | superseded")
				}
				b.WriteString("\n")
			}
			b.WriteString("==== warnings\n" + strings.Join(r.Warnings, "\n") + "\n")
			golden := strings.TrimSuffix(file, ".txt") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("letter (-want +got):\n%s", diff)
			}
		})
	}
}
