package office

import (
	"bytes"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/JohannesKaufmann/html-to-markdown/v2/converter"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/base"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/commonmark"
	tables "github.com/JohannesKaufmann/html-to-markdown/v2/plugin/table"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"

	"signpost.internal/services/doc-processor/internal/document"
)

// readWebPage reads an HTML file in the encoding that it declares.
func readWebPage(data []byte) ([]document.PageText, error) {
	r, err := charset.NewReader(bytes.NewReader(data), "text/html")
	if err != nil {
		return nil, damaged(err, "HTML file")
	}
	text, err := webText(r)
	if err != nil {
		return nil, damaged(err, "HTML file")
	}
	return []document.PageText{{Text: text}}, nil
}

// webText turns HTML into Markdown.
func webText(r io.Reader) (string, error) {
	root, err := html.Parse(r) // refuses nesting of more than 512 elements
	if err != nil {
		return "", err
	}
	prune(root)
	c := converter.NewConverter(
		// No escaping: a reference such as AB_12_C is to be found as it stands.
		converter.WithEscapeMode(converter.EscapeModeDisabled),
		converter.WithPlugins(base.NewBasePlugin(), commonmark.NewCommonmarkPlugin(),
			tables.NewTablePlugin(tables.WithHeaderPromotion(true), tables.WithSkipEmptyRows(true), tables.WithNewlineBehavior(tables.NewlineBehaviorPreserve), tables.WithCellPaddingBehavior(tables.CellPaddingBehaviorMinimal))),
	)
	markdown, err := c.ConvertNode(root)
	return strings.TrimSpace(string(markdown)), err
}

// unseen are the elements without words for a reader.
var unseen = []atom.Atom{atom.Script, atom.Style, atom.Template, atom.Iframe, atom.Object, atom.Embed, atom.Svg, atom.Head}

// emphasis are the elements that only make words stand out.
var emphasis = []atom.Atom{atom.B, atom.Strong, atom.I, atom.Em, atom.U, atom.S, atom.Code, atom.Tt, atom.Kbd, atom.Samp}

// prune takes out what no reader sees, pictures (but for their descriptions) and
// links that are none to a page, a mail address or a telephone.
func prune(n *html.Node) {
	for child := n.FirstChild; child != nil; {
		next := child.NextSibling
		if slices.Contains(emphasis, child.DataAtom) {
			// Asterisks within an amount or a reference would hide it from a search.
			child.Data, child.DataAtom = "span", atom.Span
		}
		switch {
		case child.Type == html.CommentNode, child.Type == html.ElementNode && hidden(child):
			n.RemoveChild(child)
		case child.DataAtom == atom.Img:
			if alt := strings.TrimSpace(attribute(child, "alt")); alt != "" {
				n.InsertBefore(&html.Node{Type: html.TextNode, Data: alt}, child)
			}
			n.RemoveChild(child)
		default:
			if child.DataAtom == atom.A && !followable(attribute(child, "href")) {
				child.Attr = nil
				child.Data, child.DataAtom = "span", atom.Span
			}
			prune(child)
		}
		child = next
	}
}

func hidden(n *html.Node) bool {
	if slices.Contains(unseen, n.DataAtom) {
		return true
	}
	style := strings.ToLower(strings.Join(strings.Fields(attribute(n, "style")), ""))
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "hidden" }) ||
		strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden")
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func followable(link string) bool {
	u, err := url.Parse(strings.TrimSpace(link))
	return err == nil && slices.Contains([]string{"http", "https", "mailto", "tel"}, strings.ToLower(u.Scheme))
}
