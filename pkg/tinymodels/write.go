package tinymodels

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A Model is a kind of model with the name it goes by in Ollama, such as
// "llama3.2" or "llava:7b".
type Model struct {
	Name string
	Kind Kind
}

// A Kind is a [Chat], an [Embed] or a [Vision].
type Kind interface {
	// parts are the model's files.
	parts() ([]part, error)
	// template is what a prompt is made with; empty for the server's own.
	template() string
}

// A part is one of a model's GGUF files: its name is the model's with the
// suffix.
type part struct {
	suffix string
	gguf   *gguf
}

// A File is where [Write] put a model.
type File struct {
	Name      string // the model's
	Modelfile string // the path of the Modelfile; what it names lies beside it
	Size      int64  // in bytes, of the model's weights
}

// The replies of the models of [Defaults], for tests to compare with. Reply is one
// that the sample manual on breathing space proves.
const (
	Reply        = "A standard breathing space starts on the day after the details are entered on the register and ends after 60 days [1][2]."
	JSONReply    = `{"answer": "Write to the council.", "sure": true}`
	VisionReply  = "A letter with a date at the top, two paragraphs and a table of amounts."
	ChatContext  = 8192
	EmbedContext = 1024
)

// The names of the models of [Defaults].
const (
	ChatModel   = "llama3.2"
	BabbleModel = "babble"
	EmbedModel  = "nomic-embed-text"
	VisionModel = "llava:7b"
)

// Defaults are the models that Signpost's tests use, under the names that its
// settings have when nothing is set, and one that never stops talking.
func Defaults() []Model {
	return []Model{
		{ChatModel, Chat{Reply: Reply, JSON: JSONReply, Context: ChatContext}},
		{BabbleModel, Chat{Reply: Babble(200), Loop: true, Context: ChatContext}},
		{EmbedModel, Embed{Words: strings.Fields(adviceWords), Context: EmbedContext}},
		{VisionModel, Vision{Chat{Reply: VisionReply, Context: ChatContext}}},
	}
}

// adviceWords are the words that texts about money advice are told apart by.
const adviceWords = "advice adviser agent agreement allowance amount apply arrears bailiff bank bankruptcy benefit bill budget carer case cash charity child claim client council county court credit creditor debt decision discount eligible energy enforcement essential evict eviction fee fine fuel gas goods grant hearing home hostel house housing income interest job judgment landlord law letter liability loan meter moratorium mortgage notice offer order payment pension plan possession priority rent rights salary support tax tenancy tenant universal vehicle wage warrant water welfare"

// Write writes the models' GGUF files and Modelfiles into a folder that
// exists. A name's ":" and "/" become "-" in its files' names.
func Write(dir string, models []Model) ([]File, error) {
	var files []File
	for _, m := range models {
		file, err := write(dir, m)
		if err != nil {
			return nil, fmt.Errorf("model %s: %w", m.Name, err)
		}
		files = append(files, file)
	}
	return files, nil
}

func write(dir string, m Model) (File, error) {
	parts, err := m.Kind.parts()
	if err != nil {
		return File{}, err
	}
	base := strings.NewReplacer(":", "-", "/", "-").Replace(m.Name)
	file := File{Name: m.Name, Modelfile: filepath.Join(dir, base+".Modelfile")}
	var text strings.Builder
	for _, p := range parts {
		name := base + p.suffix
		size, err := writeGGUF(filepath.Join(dir, name), p.gguf)
		if err != nil {
			return File{}, err
		}
		file.Size += size
		fmt.Fprintf(&text, "FROM ./%s\n", name)
	}
	if template := m.Kind.template(); template != "" {
		fmt.Fprintf(&text, "TEMPLATE \"\"\"%s\"\"\"\n", template)
	}
	// More threads than idle cores make so small a model slower by far.
	text.WriteString("PARAMETER num_thread 1\n")
	if err := os.WriteFile(file.Modelfile, []byte(text.String()), 0o600); err != nil {
		return File{}, fmt.Errorf("write the Modelfile: %w", err)
	}
	return file, nil
}

func writeGGUF(path string, g *gguf) (int64, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, fmt.Errorf("write the weights: %w", err)
	}
	size, err := g.WriteTo(f)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return 0, fmt.Errorf("write the weights to %s: %w", path, err)
	}
	return size, nil
}
