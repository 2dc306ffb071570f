package office

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/xuri/excelize/v2"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
)

// archive is a ZIP file whose every part was unpacked once and counted: what it
// declares of its sizes is not believed.
type archive struct{ files map[string]*zip.File }

func openZip(data []byte, what string) (*archive, error) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, damaged(err, what)
	}
	if len(r.File) > maxEntries {
		return nil, fault.Newf(fault.Invalid, "The %s holds %d files; at most %d are read.", what, len(r.File), maxEntries)
	}
	a := &archive{files: map[string]*zip.File{}}
	var total int64
	for _, f := range r.File {
		name := strings.TrimPrefix(path.Clean("/"+f.Name), "/")
		if _, twice := a.files[name]; twice {
			return nil, damaged(fmt.Errorf("two parts of one name"), what)
		}
		a.files[name] = f
		part, err := f.Open()
		if err != nil {
			return nil, damaged(err, what)
		}
		n, err := io.Copy(io.Discard, io.LimitReader(part, maxUnpacked+1-total))
		_ = part.Close() // it was read to its end or will not be read
		if total += n; total > maxUnpacked {
			return nil, tooLarge(what)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, damaged(err, what)
		}
	}
	return a, nil
}

// part returns the bytes of a part; none when it is not there.
func (a *archive) part(name string) ([]byte, error) {
	f := a.files[name]
	if f == nil {
		return nil, nil
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxUnpacked))
}

// unlock decrypts an Office file.
func unlock(data []byte, password string) ([]byte, error) {
	if password == "" {
		return nil, document.PasswordFault("Office file", false)
	}
	plain, err := excelize.Decrypt(data, &excelize.Options{Password: password})
	if err != nil && !errors.Is(err, excelize.ErrWorkbookPassword) {
		return nil, damaged(err, "encrypted Office file")
	}
	// A wrong password of the older scheme yields noise instead of an error.
	if err != nil || !bytes.HasPrefix(plain, []byte("PK\x03\x04")) {
		return nil, document.PasswordFault("Office file", true)
	}
	return plain, nil
}
