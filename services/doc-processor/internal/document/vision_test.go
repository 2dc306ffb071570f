package document

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSights(t *testing.T) {
	figures := sheet{text: PageText{Figures: true}}
	scan := sheet{scanned: true, text: PageText{Figures: true}}
	blank := sheet{scanned: true, scan: PageScan{Blank: true}}
	lost := sheet{text: PageText{Figures: true}, err: ErrCrashed}
	got := sights([]sheet{figures, {}, scan, blank, figures, lost, scan})
	if diff := cmp.Diff([]int{2, 6, 0, 4}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTogether(t *testing.T) {
	got := together([]string{"", "slow", "", "lost", "slow", "slow"})
	want := []string{
		"pages 2, 5, 6 were not described by the vision model: slow",
		"page 4 was not described by the vision model: lost",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestListed(t *testing.T) {
	many := make([]int, 25)
	for i := range many {
		many[i] = i
	}
	want := "pages 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, and 5 more were"
	if got := listed(many); got != want {
		t.Errorf("got %q", got)
	}
}
