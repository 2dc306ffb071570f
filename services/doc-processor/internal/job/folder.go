package job

import "signpost.internal/pkg/jobfolder"

// The files of a job's folder.
const (
	fileName   = "file"
	recordName = "job.json"
	resultName = "result.json"
	// passwordName is there only while the file is not read yet: a password may
	// open more than this one file.
	passwordName = "password"
)

// remove deletes a job's folder.
func remove(dir string) (Receipt, error) {
	r, err := jobfolder.Remove(dir)
	return Receipt{Files: r.Files, Bytes: r.Bytes, Left: r.Left}, err
}
