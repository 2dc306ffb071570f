package docx

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	declaration = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	wordMain    = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
	officeRel   = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	packageRel  = "http://schemas.openxmlformats.org/package/2006/relationships"
	namespaces  = `xmlns:w="` + wordMain + `" xmlns:r="` + officeRel + `"`
	wordType    = "application/vnd.openxmlformats-officedocument.wordprocessingml."
)

const contentTypes = declaration + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
	`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
	`<Default Extension="xml" ContentType="application/xml"/>` +
	`<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>` +
	`<Override PartName="/docProps/app.xml" ContentType="application/vnd.openxmlformats-officedocument.extended-properties+xml"/>` +
	`<Override PartName="/word/document.xml" ContentType="` + wordType + `document.main+xml"/>` +
	`<Override PartName="/word/styles.xml" ContentType="` + wordType + `styles+xml"/>` +
	`<Override PartName="/word/numbering.xml" ContentType="` + wordType + `numbering+xml"/>` +
	`<Override PartName="/word/settings.xml" ContentType="` + wordType + `settings+xml"/>` +
	`<Override PartName="/word/header1.xml" ContentType="` + wordType + `header+xml"/>` +
	`<Override PartName="/word/footer1.xml" ContentType="` + wordType + `footer+xml"/>` +
	`</Types>`

const packageRels = declaration + `<Relationships xmlns="` + packageRel + `">` +
	`<Relationship Id="rId1" Type="` + officeRel + `/officeDocument" Target="word/document.xml"/>` +
	`<Relationship Id="rId2" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/>` +
	`<Relationship Id="rId3" Type="` + officeRel + `/extended-properties" Target="docProps/app.xml"/>` +
	`</Relationships>`

func (w *writer) relationships() string {
	var b strings.Builder
	b.WriteString(declaration + `<Relationships xmlns="` + packageRel + `">`)
	for i, part := range []string{"styles", "numbering", "settings"} {
		fmt.Fprintf(&b, `<Relationship Id="rId%d" Type="%s/%s" Target="%s.xml"/>`, i+1, officeRel, part, part)
	}
	b.WriteString(`<Relationship Id="rId4" Type="` + officeRel + `/header" Target="header1.xml"/>` +
		`<Relationship Id="rId5" Type="` + officeRel + `/footer" Target="footer1.xml"/>`)
	for i, link := range w.links {
		fmt.Fprintf(&b, `<Relationship Id="rId%d" Type="%s/hyperlink" Target="%s" TargetMode="External"/>`, firstLink+i, officeRel, escape(link))
	}
	b.WriteString(`</Relationships>`)
	return b.String()
}

func (w *writer) core() string {
	l := w.letter
	return declaration + `<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/">` +
		`<dc:title>` + escape(l.Title) + `</dc:title><dc:creator>` + escape(l.Author) + `</dc:creator><dc:language>` + escape(l.Language) + `</dc:language></cp:coreProperties>`
}

func (w *writer) settings() string {
	return declaration + `<w:settings ` + namespaces + `><w:defaultTabStop w:val="720"/><w:characterSpacingControl w:val="doNotCompress"/>` +
		`<w:compat><w:compatSetting w:name="compatibilityMode" w:uri="http://schemas.microsoft.com/office/word" w:val="15"/></w:compat>` +
		`<w:themeFontLang w:val="` + escape(w.letter.Language) + `"/></w:settings>`
}

// header repeats the mark on every page.
func (w *writer) header() string {
	runs := ""
	if w.letter.Mark != "" {
		runs = `<w:r><w:t xml:space="preserve">` + escape(w.letter.Mark) + `</w:t></w:r>`
	}
	style := "Header"
	if w.letter.Mark != "" {
		style = "DraftMark"
	}
	return declaration + `<w:hdr ` + namespaces + `><w:p><w:pPr><w:pStyle w:val="` + style + `"/></w:pPr>` + runs + `</w:p></w:hdr>`
}

// footer has the page's number and how many there are.
func (w *writer) footer() string {
	field := func(name string) string {
		return `<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText xml:space="preserve"> ` + name + ` </w:instrText></w:r>` +
			`<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>1</w:t></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>`
	}
	text := func(s string) string { return `<w:r><w:t xml:space="preserve">` + escape(s) + `</w:t></w:r>` }
	return declaration + `<w:ftr ` + namespaces + `><w:p><w:pPr><w:pStyle w:val="Footer"/></w:pPr>` +
		text(w.letter.Page+" ") + field("PAGE") + text(" "+w.letter.Of+" ") + field("NUMPAGES") + `</w:p></w:ftr>`
}

// listIndent is how far a level of a list stands further in.
const listIndent = 397

func (w *writer) numbering() string {
	var b strings.Builder
	b.WriteString(declaration + `<w:numbering ` + namespaces + `>`)
	levels := func(format func(level int) (kind, text string)) {
		for level := range maxLevel + 1 {
			kind, text := format(level)
			fmt.Fprintf(&b, `<w:lvl w:ilvl="%d"><w:start w:val="1"/><w:numFmt w:val="%s"/><w:lvlText w:val="%s"/><w:lvlJc w:val="left"/><w:pPr><w:ind w:left="%d" w:hanging="%d"/></w:pPr></w:lvl>`,
				level, kind, text, listIndent*(level+1), listIndent)
		}
	}
	b.WriteString(`<w:abstractNum w:abstractNumId="0"><w:multiLevelType w:val="hybridMultilevel"/>`)
	levels(func(level int) (string, string) { return "bullet", []string{"•", "–"}[level%2] })
	b.WriteString(`</w:abstractNum><w:abstractNum w:abstractNumId="1"><w:multiLevelType w:val="multilevel"/>`)
	levels(func(level int) (string, string) {
		return []string{"decimal", "lowerLetter", "lowerRoman"}[level%3], "%" + strconv.Itoa(level+1) + "."
	})
	b.WriteString(`</w:abstractNum>`)
	fmt.Fprintf(&b, `<w:num w:numId="%d"><w:abstractNumId w:val="0"/></w:num>`, bullets)
	for i, l := range w.lists {
		fmt.Fprintf(&b, `<w:num w:numId="%d"><w:abstractNumId w:val="1"/><w:lvlOverride w:ilvl="%d"><w:startOverride w:val="%d"/></w:lvlOverride></w:num>`,
			firstNumbered+i, l.level, min(max(l.start, 0), math.MaxInt16))
	}
	b.WriteString(`</w:numbering>`)
	return b.String()
}

func (w *writer) styles() string {
	l := w.letter
	font, size := escape(l.Font), int(math.Round(2*l.Size)) // half points
	if size == 0 {
		font, size = "Arial", 22
	}
	var b strings.Builder
	b.WriteString(declaration + `<w:styles ` + namespaces + `><w:docDefaults><w:rPrDefault><w:rPr>` +
		`<w:rFonts w:ascii="` + font + `" w:hAnsi="` + font + `" w:eastAsia="` + font + `" w:cs="` + font + `"/>` +
		fmt.Sprintf(`<w:sz w:val="%d"/><w:szCs w:val="%d"/>`, size, size) +
		`<w:lang w:val="` + escape(l.Language) + `" w:eastAsia="en-GB" w:bidi="ar-SA"/></w:rPr></w:rPrDefault>` +
		`<w:pPrDefault><w:pPr><w:spacing w:after="140" w:line="276" w:lineRule="auto"/></w:pPr></w:pPrDefault></w:docDefaults>`)
	style := func(id, name, based, next, paragraph, run string, attributes ...string) {
		b.WriteString(`<w:style w:type="paragraph"` + strings.Join(attributes, "") + ` w:styleId="` + id + `"><w:name w:val="` + name + `"/>`)
		if based != "" {
			b.WriteString(`<w:basedOn w:val="` + based + `"/>`)
		}
		if next != "" {
			b.WriteString(`<w:next w:val="` + next + `"/>`)
		}
		b.WriteString(`<w:qFormat/>`)
		if paragraph != "" {
			b.WriteString(`<w:pPr>` + paragraph + `</w:pPr>`)
		}
		if run != "" {
			b.WriteString(`<w:rPr>` + run + `</w:rPr>`)
		}
		b.WriteString(`</w:style>`)
	}
	sized := func(n int) string { return fmt.Sprintf(`<w:sz w:val="%d"/><w:szCs w:val="%d"/>`, n, n) }
	style("Normal", "Normal", "", "", "", "", ` w:default="1"`)
	for level := 1; level <= 3; level++ {
		style("Heading"+strconv.Itoa(level), "heading "+strconv.Itoa(level), "Normal", "Normal",
			fmt.Sprintf(`<w:keepNext/><w:keepLines/><w:spacing w:before="%d" w:after="100"/><w:outlineLvl w:val="%d"/>`, []int{320, 280, 200}[level-1], level-1),
			`<w:b/><w:bCs/>`+sized(size+[]int{10, 4, 0}[level-1]))
	}
	style("ListParagraph", "List Paragraph", "Normal", "", `<w:spacing w:after="80"/>`, "")
	style("Sender", "Sender", "Normal", "", `<w:keepLines/><w:spacing w:after="360"/><w:ind w:left="5100"/>`, "")
	style("Address", "Address", "Normal", "", `<w:keepLines/><w:spacing w:after="360"/>`, "")
	style("Quote", "Quote", "Normal", "Normal", `<w:ind w:left="567" w:right="567"/>`, `<w:i/><w:iCs/>`)
	style("Code", "Code", "Normal", "", "", `<w:rFonts w:ascii="Courier New" w:hAnsi="Courier New" w:cs="Courier New"/><w:noProof/>`)
	style("TableText", "Table Text", "Normal", "", `<w:spacing w:before="40" w:after="40" w:line="240" w:lineRule="auto"/>`, "")
	style("TableHead", "Table Head", "TableText", "", `<w:keepNext/>`, `<w:b/><w:bCs/>`)
	style("Header", "header", "Normal", "", "", "")
	style("DraftMark", "Draft Mark", "Header", "",
		`<w:pBdr><w:top w:val="single" w:sz="8" w:space="3" w:color="A00000"/><w:left w:val="single" w:sz="8" w:space="4" w:color="A00000"/><w:bottom w:val="single" w:sz="8" w:space="3" w:color="A00000"/><w:right w:val="single" w:sz="8" w:space="4" w:color="A00000"/></w:pBdr><w:spacing w:after="200" w:line="240" w:lineRule="auto"/>`,
		`<w:b/><w:bCs/><w:color w:val="A00000"/>`+sized(18))
	style("Footer", "footer", "Normal", "", `<w:spacing w:after="0"/><w:jc w:val="center"/>`, `<w:color w:val="404040"/>`+sized(18))
	b.WriteString(`<w:style w:type="character" w:default="1" w:styleId="DefaultParagraphFont"><w:name w:val="Default Paragraph Font"/><w:semiHidden/></w:style>` +
		`<w:style w:type="character" w:styleId="Hyperlink"><w:name w:val="Hyperlink"/><w:rPr><w:color w:val="0B4F9E"/><w:u w:val="single"/></w:rPr></w:style>` +
		`<w:style w:type="table" w:default="1" w:styleId="TableNormal"><w:name w:val="Normal Table"/><w:semiHidden/><w:tblPr><w:tblInd w:w="0" w:type="dxa"/><w:tblCellMar><w:top w:w="0" w:type="dxa"/><w:left w:w="108" w:type="dxa"/><w:bottom w:w="0" w:type="dxa"/><w:right w:w="108" w:type="dxa"/></w:tblCellMar></w:tblPr></w:style>` +
		`<w:style w:type="table" w:styleId="TableGrid"><w:name w:val="Table Grid"/><w:basedOn w:val="TableNormal"/><w:tblPr><w:tblBorders>`)
	for _, edge := range []string{"top", "left", "bottom", "right", "insideH", "insideV"} {
		b.WriteString(`<w:` + edge + ` w:val="single" w:sz="4" w:space="0" w:color="808080"/>`)
	}
	b.WriteString(`</w:tblBorders></w:tblPr></w:style></w:styles>`)
	return b.String()
}
