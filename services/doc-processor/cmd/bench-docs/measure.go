package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// score is how well and how fast some documents were read.
type score struct {
	wrong, chars     int
	wrongWords       int
	words            int
	foundCells       int
	cells            int
	foundNumbers     int
	numbers          int
	elapsed, cpuTime time.Duration
	warned           int
}

func (s score) cer() float64 { return share(s.wrong, s.chars) }

func share(part, all int) float64 {
	if all == 0 {
		return 0
	}
	return float64(part) / float64(all)
}

func (s *score) add(o score) {
	s.wrong, s.chars = s.wrong+o.wrong, s.chars+o.chars
	s.wrongWords, s.words = s.wrongWords+o.wrongWords, s.words+o.words
	s.foundCells, s.cells = s.foundCells+o.foundCells, s.cells+o.cells
	s.foundNumbers, s.numbers = s.foundNumbers+o.foundNumbers, s.numbers+o.numbers
	s.elapsed, s.cpuTime, s.warned = s.elapsed+o.elapsed, s.cpuTime+o.cpuTime, s.warned+o.warned
}

func (s score) columns(pages int) []string {
	found := func(n, all int) string {
		if all == 0 {
			return "-"
		}
		return fmt.Sprintf("%.1f %%", 100*share(n, all))
	}
	return []string{
		fmt.Sprintf("%.2f %%", 100*s.cer()), fmt.Sprintf("%.1f %%", 100*share(s.wrongWords, s.words)),
		found(s.foundCells, s.cells), found(s.foundNumbers, s.numbers),
		fmt.Sprintf("%.3f", s.elapsed.Seconds()/float64(pages)), fmt.Sprintf("%.3f", s.cpuTime.Seconds()/float64(pages)),
	}
}

// row is a line of the table.
type row struct {
	name         string
	pages        int
	ours, theirs score
	commands     string
}

func (r row) String() string {
	columns := append([]string{r.name, fmt.Sprint(r.pages)}, r.ours.columns(r.pages)...)
	columns = append(columns, fmt.Sprint(r.ours.warned), "|", r.commands)
	return strings.Join(append(columns, r.theirs.columns(r.pages)...), "\t")
}

type bench struct {
	service *service
	dir     string
	keep    bool
	alone   bool
	total   row
}

// kind reads all samples of a kind, with the service and with the commands.
func (b *bench) kind(ctx context.Context, name string, samples []sample) (row, error) {
	r := row{name: name}
	for i, s := range samples {
		path := filepath.Join(b.dir, fmt.Sprintf("%s %d %s", name, i+1, s.name))
		if err := os.WriteFile(path, s.data, 0o600); err != nil {
			return r, err
		}
		ours, err := b.service.read(ctx, path)
		if err != nil {
			return r, err
		}
		theirs := reading{by: "-"}
		if !b.alone {
			if theirs, err = readWithCommands(ctx, path, len(s.pages)); err != nil {
				return r, err
			}
		}
		if b.keep {
			for suffix, text := range map[string]string{".ours": ours.markdown, ".pages": strings.Join(ours.pages, "\n\f\n"), ".theirs": strings.Join(theirs.pages, "\n\f\n"), ".truth": strings.Join(s.pages, "\n\f\n")} {
				if err := os.WriteFile(path+suffix+".txt", []byte(text), 0o600); err != nil {
					return r, err
				}
			}
		} else if err := os.Remove(path); err != nil {
			return r, err
		}
		r.pages += len(s.pages)
		r.commands = theirs.by
		r.ours.add(ours.score(s))
		r.theirs.add(theirs.score(s))
	}
	b.total.pages += r.pages
	b.total.ours.add(r.ours)
	b.total.theirs.add(r.theirs)
	return r, nil
}

// reading is what was read from a file.
type reading struct {
	pages            []string
	markdown         string
	elapsed, cpuTime time.Duration
	warned           bool
	by               string
}

// maxCompared is how many pages of a document are compared with the truth.
const maxCompared = 40

func (r reading) score(s sample) score {
	out := score{elapsed: r.elapsed, cpuTime: r.cpuTime}
	if r.warned {
		out.warned = 1
	}
	for i, want := range s.pages[:min(len(s.pages), maxCompared)] {
		got := ""
		if i < len(r.pages) {
			got = plain(r.pages[i])
		}
		want = plain(want)
		a, b := []rune(want), []rune(got)
		out.wrong, out.chars = out.wrong+distance(a, b), out.chars+len(a)
		wantWords, gotWords := strings.Fields(want), strings.Fields(got)
		out.wrongWords, out.words = out.wrongWords+distance(wantWords, gotWords), out.words+len(wantWords)
	}
	all := " " + plain(strings.Join(r.pages, "\n")) + " "
	for _, cell := range s.cells {
		if cell = plain(cell); cell != "" {
			out.cells++
			if strings.Contains(all, " "+cell+" ") {
				out.foundCells++
			}
		}
	}
	for _, number := range s.numbers {
		out.numbers++
		if strings.Contains(all, plain(number)) {
			out.foundNumbers++
		}
	}
	return out
}

var (
	ruleRow = regexp.MustCompile(`(?m)^\|?( *:?-+:? *\|)+( *:?-+:? *)?$`)
	marks   = regexp.MustCompile(`(?m)^#+ |\*\*|\|`)
	alike   = strings.NewReplacer("’", "'", "‘", "'", "“", `"`, "”", `"`, "–", "-", "—", "-", "\\", "")
)

// plain takes out what is Markdown and what is set in more than one way.
func plain(text string) string {
	return strings.Join(strings.Fields(alike.Replace(marks.ReplaceAllString(ruleRow.ReplaceAllString(text, " "), " "))), " ")
}

// distance counts the insertions, deletions and changes between the two.
func distance[T comparable](a, b []T) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range b {
			change := diagonal
			if x != y {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
