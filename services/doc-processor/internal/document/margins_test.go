package document

import (
	"fmt"
	"strings"
	"testing"
)

func TestMarginsApart(t *testing.T) {
	const body = "What the page is about, which is much longer than what stands at its edges and different on each of them: "
	sheets := make([]sheet, 4)
	for i := range sheets {
		header, footer := "Adviser's handbook", fmt.Sprintf("Page %d of 4", i+1)
		text := body + strings.Repeat(string(rune('a'+i)), 60)
		sheets[i].leaf = &leaf{src: Source{Kind: PDF}}
		sheets[i].text = PageText{
			Text:     header + "\n\n" + text + "\n\n" + footer,
			Markdown: "# " + header + "\n\n" + text + "\n\n" + footer,
			Margins:  []Margin{{header, "# " + header, false}, {footer, footer, true}},
		}
	}
	sheets[3].text = PageText{Text: "Page 9 of 4", Markdown: "Page 9 of 4", Margins: []Margin{{"Page 9 of 4", "Page 9 of 4", true}}}
	setMarginsApart(sheets)
	if first := sheets[0].page(1); !strings.HasPrefix(first.Text, "Adviser's handbook\n\n"+body) || !strings.HasSuffix(first.Text, "Page 1 of 4") || first.Header != "" {
		t.Errorf("the first page: %+v", first)
	}
	if second := sheets[1].page(2); second.Header != "Adviser's handbook" || second.Footer != "Page 2 of 4" || !strings.HasPrefix(second.Text, body) || strings.Contains(second.Text, "of 4") || strings.Contains(sheets[1].text.Markdown, "#") {
		t.Errorf("the second page: %+v", second)
	}
	if last := sheets[3].page(4); last.Text != "Page 9 of 4" || last.Footer != "" {
		t.Errorf("the last page: %+v", last)
	}
}
