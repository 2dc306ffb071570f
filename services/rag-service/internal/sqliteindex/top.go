package sqliteindex

import "slices"

// top keeps the best few of many places: a heap with the worst kept at its root.
type top struct {
	limit  int
	before func(a, b int32) bool
	heap   []int32
}

func newTop(limit int, before func(a, b int32) bool) *top {
	return &top{limit: limit, before: before}
}

func (t *top) offer(at int32) {
	switch {
	case len(t.heap) < t.limit:
		t.heap = append(t.heap, at)
		for i := len(t.heap) - 1; i > 0 && t.before(t.heap[(i-1)/2], t.heap[i]); i = (i - 1) / 2 {
			t.heap[i], t.heap[(i-1)/2] = t.heap[(i-1)/2], t.heap[i]
		}
	case t.limit > 0 && t.before(at, t.heap[0]):
		t.heap[0] = at
		t.sink()
	}
}

func (t *top) sink() {
	for i := 0; ; {
		worst := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(t.heap); child++ {
			if t.before(t.heap[worst], t.heap[child]) {
				worst = child
			}
		}
		if worst == i {
			return
		}
		t.heap[i], t.heap[worst] = t.heap[worst], t.heap[i]
		i = worst
	}
}

func (t *top) sorted() []int32 {
	slices.SortFunc(t.heap, func(a, b int32) int {
		if t.before(a, b) {
			return -1
		}
		return 1
	})
	return t.heap
}
