package job

import "signpost.internal/pkg/jobfolder"

// The files of a job's folder.
const (
	fileName   = "file"
	recordName = "job.json"
	resultName = "result.json"
)

// remove deletes a job's folder.
func remove(dir string) (Receipt, error) {
	r, err := jobfolder.Remove(dir)
	return Receipt{Files: r.Files, Bytes: r.Bytes, Left: r.Left}, err
}
