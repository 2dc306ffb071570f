package worker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxFrame bounds a frame's body, in bytes: the text of one page.
const maxFrame = 64 << 20

var errFrameTooLong = errors.New("the frame is longer than allowed")

// writeFrame writes v as JSON after its length in four bytes.
func writeFrame(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the frame: %w", err)
	}
	if len(body) > maxFrame {
		return errFrameTooLong
	}
	frame := append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body))), body...)
	_, err = w.Write(frame)
	return err
}

// readFrame reads one frame into v. It returns io.EOF where the stream ends
// between frames. The body's memory grows with what arrives, not with what the
// length promises.
func readFrame(r io.Reader, v any) error {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxFrame {
		return errFrameTooLong
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil {
		return err
	}
	if len(body) < int(n) {
		return io.ErrUnexpectedEOF
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("decode the frame: %w", err)
	}
	return nil
}
