package worker

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/services/doc-processor/internal/document"
)

func TestFrames(t *testing.T) {
	var stream bytes.Buffer
	sent := []request{{Op: opText, Path: "/a", Kind: document.PDF, Page: 7}, {Op: opScan}}
	for _, r := range sent {
		if err := writeFrame(&stream, r); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range sent {
		var got request
		if err := readFrame(&stream, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if err := readFrame(&stream, &request{}); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, want EOF", err)
	}
}

func TestBrokenFrames(t *testing.T) {
	for name, tc := range map[string]struct {
		data string
		want error
	}{
		"cut length": {"\x00\x00", io.ErrUnexpectedEOF},
		"cut body":   {"\x00\x00\x00\x05{}", io.ErrUnexpectedEOF},
		"too long":   {"\xff\xff\xff\xff", errFrameTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			if err := readFrame(bytes.NewReader([]byte(tc.data)), &request{}); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Add([]byte("\x00\x00\x00\x0b{\"op\":\"x\"}\n"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got request
		if readFrame(bytes.NewReader(data), &got) != nil {
			return
		}
		var again bytes.Buffer
		if err := writeFrame(&again, got); err != nil {
			t.Fatal(err)
		}
		var back request
		if err := readFrame(&again, &back); err != nil || back != got {
			t.Errorf("%+v came back as %+v (%v)", got, back, err)
		}
	})
}
