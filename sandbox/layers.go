package sandbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Layers names several archives as one: what an environment has at /opt is their files, in their order. What is in two of
// them is the later one's. https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html
type Layers []Code

// Code is what a [CodeCache] knows the layers by: their hashes, one after the other, hashed.
func (l Layers) Code() Code {
	hash := sha256.New()
	c := Code{Key: "layers"}
	for _, layer := range l {
		hash.Write(layer.SHA256[:])
		c.Size += layer.Size
	}
	hash.Sum(c.SHA256[:0])
	return c
}

// UnpackLayers fetches layers and extracts them into one directory, which it returns. It is the same for all environments of
// the worker, and must not be written to. done is as for Fetch. Evict takes what [Layers.Code] names.
func (c *CodeCache) UnpackLayers(ctx context.Context, layers Layers) (dir string, done bool, err error) {
	return c.do(ctx, layers.Code(), unpackLayers, "opt", func(ctx context.Context, path string) (err error) {
		home := filepath.Dir(path)
		if err := os.RemoveAll(home); err != nil { // left by a worker that was killed
			return err
		}
		if err := os.MkdirAll(home, 0o755); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, os.RemoveAll(home))
			}
		}()
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		for i, layer := range layers {
			if err := c.addLayer(ctx, layer, filepath.Join(home, fmt.Sprint("layer-", i)), path); err != nil {
				return err
			}
		}
		return nil
	})
}

// addLayer puts a layer's files over those that are in dir. It works in a place of its own.
func (c *CodeCache) addLayer(ctx context.Context, layer Code, place, dir string) error {
	zip := place + ".zip"
	if err := c.copyVerified(ctx, layer, zip); err != nil {
		return err
	}
	f, err := os.Open(zip)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := Unpack(ctx, f, layer.Size, place, c.lim); err != nil {
		return err
	}
	return errors.Join(moveOver(place, dir), os.RemoveAll(place), os.Remove(zip))
}

// moveOver moves what is in one directory into another of the same filesystem. Of what is in both, directories are merged, and
// anything else is replaced.
func moveOver(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		source, target := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		there, err := os.Lstat(target)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case e.IsDir() && there.IsDir():
			if err := moveOver(source, target); err != nil {
				return err
			}
			continue
		default:
			if err := os.RemoveAll(target); err != nil {
				return err
			}
		}
		if err := os.Rename(source, target); err != nil {
			return err
		}
	}
	return nil
}

// UnpackedSize is how many bytes the files of an archive have. It believes the archive, which [CheckArchive] has checked.
func UnpackedSize(r io.ReaderAt, size int64, lim ArchiveLimits) (bytes int64, err error) {
	a, err := openArchive(context.Background(), r, size, lim)
	if err != nil {
		return 0, err
	}
	for _, f := range a.files {
		bytes += int64(f.UncompressedSize64)
	}
	return bytes, nil
}
