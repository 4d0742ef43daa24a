package daemon

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"enilab/internal/topology"
	"enilab/sandbox"
)

// code is a function's code, or a layer's files: in the store under a key, or as an archive. One of the two is set.
type code struct {
	sha string // as CodeSha256
	key string
	zip []byte

	unpacked  int64 // bytes
	bootstrap error // why no OS-only runtime can run it
}

// codes finds code and checks it, each archive once: a thousand functions may have the same.
type codes struct {
	store sandbox.Store
	found map[topology.Code]foundCode
}

// foundCode is what one look has found.
type foundCode struct {
	code
	err error // why it is none
}

func (c *codes) of(t topology.Code) (code, error) {
	found, ok := c.found[t]
	if !ok {
		found.code, found.err = c.find(t)
		if c.found == nil {
			c.found = map[topology.Code]foundCode{}
		}
		c.found[t] = found
	}
	return found.code, found.err
}

func (c *codes) find(t topology.Code) (found code, err error) {
	if t.Key != "" {
		file, err := c.store.Open(t.Key)
		if err != nil {
			return found, err
		}
		defer file.Close() //nolint:errcheck // only read from
		found = code{sha: file.CodeSha256(), key: t.Key}
		return found, found.look(file, file.Size)
	}
	if found.zip, err = archive(t.Path); err != nil {
		return found, err
	}
	sum := sha256.Sum256(found.zip)
	found.sha = base64.StdEncoding.EncodeToString(sum[:])
	return found, found.look(bytes.NewReader(found.zip), int64(len(found.zip)))
}

// look checks an archive, and finds out about it.
func (c *code) look(r io.ReaderAt, size int64) (err error) {
	if err = sandbox.CheckArchive(r, size, sandbox.ArchiveLimits{}); err != nil {
		return err
	}
	c.bootstrap = sandbox.CheckBootstrap(r, size, sandbox.ArchiveLimits{})
	c.unpacked, err = sandbox.UnpackedSize(r, size, sandbox.ArchiveLimits{})
	return err
}

// archive reads a zip, or makes one of a directory: the same files give the same bytes.
func archive(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return zipDirectory(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, sandbox.DefaultZipped+1))
	if err == nil && int64(len(b)) > sandbox.DefaultZipped {
		err = fmt.Errorf("%s has more than the %d bytes that Lambda takes of zipped code", path, sandbox.DefaultZipped)
	}
	return b, err
}

// zipDirectory makes an archive of the files in a directory. Links are what they lead to, as zip has them, as long as that is a
// file in the directory, too: npm makes such in node_modules/.bin.
func zipDirectory(dir string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // only read from
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	total := int64(0)
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		path := filepath.Join(dir, name)
		info, err := root.Stat(name) // through links, but not out of the directory
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no plain file, and leads to none; code has plain files only", path)
		}
		if total += info.Size(); total > sandbox.DefaultUnzipped {
			return fmt.Errorf("%s has more than the %d bytes that Lambda takes of unzipped code", dir, sandbox.DefaultUnzipped)
		}
		header := &zip.FileHeader{Name: name, Method: zip.Deflate} // without a time
		header.SetMode(info.Mode().Perm())
		w, err := z.CreateHeader(header)
		if err != nil {
			return err
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, io.LimitReader(f, sandbox.DefaultUnzipped))
		return errors.Join(err, f.Close())
	})
	if err := errors.Join(err, z.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
