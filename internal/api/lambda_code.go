package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"enilab/internal/lambda"
	"enilab/internal/wire"
	"enilab/sandbox"
)

// location is the URL by which a client may download what a name stands for; nil if nobody asked over the network.
func (l lambdaAPI) location(ctx context.Context, name string) *string {
	r := wire.RequestOf(ctx)
	if r == nil {
		return nil
	}
	return new(l.downloads.URL(r.Host, name))
}

// codeName names the code that a version of a function has now, for a download.
func codeName(d lambda.FunctionDescription) string {
	return fmt.Sprintf("%s/%s/%x.zip", d.Configuration.FunctionName, d.Configuration.Version, d.Code.SHA256)
}

// layerName names the archive of a layer version.
func layerName(v lambda.LayerVersion) string {
	hash, _ := base64.StdEncoding.DecodeString(v.CodeSha256) // the lab's own
	return fmt.Sprintf("layer/%s/%d/%x.zip", v.LayerName, v.Version, hash)
}

// openCode opens what codeName or layerName has named, unless that has another archive by now.
func (l lambdaAPI) openCode(name string) (io.ReadSeekCloser, error) {
	var code *sandbox.CodeFile
	var err error
	switch parts := strings.Split(name, "/"); len(parts) {
	case 3:
		ref := lambda.FunctionRef{Name: parts[0], Qualifier: parts[1]}
		if d, err := l.GetFunction(ref); err != nil || codeName(d) != name {
			return nil, fs.ErrNotExist
		}
		code, err = l.OpenCode(ref)
	case 4:
		number, _ := strconv.ParseInt(parts[2], 10, 64) // none is no version
		if v, err := l.GetLayerVersion(parts[1], number); err != nil || layerName(v) != name {
			return nil, fs.ErrNotExist
		}
		code, err = l.OpenLayerVersion(parts[1], number)
	default:
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	return struct {
		*io.SectionReader
		io.Closer
	}{io.NewSectionReader(code, 0, code.Size), code}, nil
}
