package api

import (
	"fmt"
	"io"
	"io/fs"
	"strings"

	"enilab/internal/lambda"
)

// codeName names the code that a version has now, for a download.
func codeName(d lambda.FunctionDescription) string {
	return fmt.Sprintf("%s/%s/%x.zip", d.Configuration.FunctionName, d.Configuration.Version, d.Code.SHA256)
}

// openCode opens what codeName has named, unless the version has other code by now.
func (l lambdaAPI) openCode(name string) (io.ReadSeekCloser, error) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 {
		return nil, fs.ErrNotExist
	}
	ref := lambda.FunctionRef{Name: parts[0], Qualifier: parts[1]}
	if d, err := l.GetFunction(ref); err != nil || codeName(d) != name {
		return nil, fs.ErrNotExist
	}
	code, err := l.OpenCode(ref)
	if err != nil {
		return nil, err
	}
	return struct {
		*io.SectionReader
		io.Closer
	}{io.NewSectionReader(code, 0, code.Size), code}, nil
}
