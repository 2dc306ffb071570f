package migration_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	_ "image/jpeg" // the format that pages are sent in
	"net/http"
	"strings"
	"testing"

	"signpost.internal/pkg/provider/providertest"
	"signpost.internal/pkg/samplemanuals"
)

// visionEnhancement: where it is asked for, a vision model sees the pages and
// what it says is marked as a machine's; the text is the same with it, without
// it, and with the model down.
func visionEnhancement(t *testing.T, s *showing) {
	first, _ := engines()
	up := stub(t, first, "The page shows a stamp at the top. It says £987.")
	scan, text := pdf(t, samplemanuals.Scan), pdf(t, samplemanuals.Text)
	const mark = "Described by a machine"

	environ := up.Environ()
	environ["OCR_LANGUAGES"] = "eng"
	plain := process(t, start(t, docs, environ), scan)
	if len(pictures(t, up)) > 0 || plain.Results[0].Vision != nil || strings.Contains(plain.Markdown, mark) {
		t.Errorf("unasked, a model was shown pages: %+v", plain)
	}
	s.shows("off by default: no picture leaves doc-processor")

	environ["USE_VISION_ANALYSIS"] = "true"
	p := start(t, docs, environ)
	got := process(t, p, scan)
	seen := pictures(t, up)
	if len(seen) != 1 {
		t.Fatalf("%d pictures were sent of a scan of one page", len(seen))
	}
	size := seen[0].Bounds().Size()
	if shape := float64(size.Y) / float64(size.X); shape < 1.40 || shape > 1.43 || size.X < 500 {
		t.Errorf("the picture of an A4 page is %v", size)
	}
	if ink := darkness(seen[0]); ink < 0.003 || ink > 0.3 {
		t.Errorf("%.4f of the picture is dark, which is no printed page", ink)
	}
	note := got.Results[0].Vision
	switch {
	case note == nil:
		t.Fatalf("no description: %+v", got)
	case !note.Machine || note.Provider != first || note.Model != "llava:7b":
		t.Errorf("not marked: %+v", note)
	case !strings.Contains(note.Description, "a stamp at the top") || strings.Contains(note.Description, "987"):
		t.Errorf("description %q", note.Description)
	}
	if got.Results[0].Text != plain.Results[0].Text || !strings.Contains(got.Markdown, "> **"+mark) || strings.Contains(got.Markdown, "987") {
		t.Errorf("the text changed, or the mark is missing: %s", got.Markdown)
	}
	if process(t, p, text); len(pictures(t, up)) != 1 {
		t.Error("a page of words only was shown to the model")
	}
	s.shows("with USE_VISION_ANALYSIS=true the model sees the scanned page's picture; its words stand apart, marked as machine-described with its name; a figure that the page's text lacks is taken out; a page of words only is not sent")

	up.Close()
	down := process(t, p, scan)
	if down.Results[0].Text != plain.Results[0].Text || down.Results[0].Vision != nil || !strings.Contains(strings.Join(down.Warnings, "\n"), "not described by the vision model") {
		t.Errorf("with the model down: %+v", down)
	}
	s.shows("with the model down the text is returned with a warning")
}

// process has a PDF read.
func process(t *testing.T, p *program, pdf []byte) document {
	t.Helper()
	var got document
	if p.upload(t, "/process", "letter.pdf", pdf).into(t, http.StatusOK, &got); !got.Success || len(got.Results) != 1 || !strings.Contains(got.Markdown, "60 days") {
		t.Errorf("%+v", got)
	}
	return got
}

// pictures are the images that a stub was sent, in either protocol.
func pictures(t *testing.T, up *providertest.Upstream) []image.Image {
	t.Helper()
	var all []image.Image
	for _, body := range chats(up, "") {
		var sent struct{ Messages []json.RawMessage }
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			t.Fatal(err)
		}
		for _, message := range sent.Messages {
			var ollama struct{ Images [][]byte }
			_ = json.Unmarshal(message, &ollama) // vLLM's has no images
			for _, data := range ollama.Images {
				all = append(all, decoded(t, data))
			}
			var vllm struct {
				Content []struct {
					Image struct{ URL string } `json:"image_url"`
				}
			}
			_ = json.Unmarshal(message, &vllm) // Ollama's content is a string
			for _, part := range vllm.Content {
				if _, encoded, ok := strings.Cut(part.Image.URL, ";base64,"); ok {
					data, err := base64.StdEncoding.DecodeString(encoded)
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, decoded(t, data))
				}
			}
		}
	}
	return all
}

func decoded(t *testing.T, data []byte) image.Image {
	t.Helper()
	picture, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// darkness is the share of a picture's pixels that are dark.
func darkness(picture image.Image) float64 {
	bounds, dark := picture.Bounds(), 0
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			if r, _, _, _ := picture.At(x, y).RGBA(); r < 0x8000 {
				dark++
			}
		}
	}
	return float64(dark) / float64(bounds.Dx()*bounds.Dy())
}
