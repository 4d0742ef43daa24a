package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"enilab/internal/topology"

	"github.com/spf13/cobra"
)

// topologyFlag says which topology is meant.
type topologyFlag struct {
	path   string
	region string // that of a topology which names none; empty means its default
}

func (f *topologyFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.path, "topology", "t", "", "a *"+topology.Suffix+" file, a directory with one, or - for standard input (default: the one in the working directory)")
}

// declared is a topology with the text that it was read from.
type declared struct {
	*topology.Topology
	file string // as people call it
	dir  string // what its relative paths start from; absolute
	text []byte
}

// load reads and checks the topology. Without -t, and with no file in the working directory, there is none.
func (f *topologyFlag) load(ctx context.Context, stdin io.Reader) (*declared, error) {
	path := f.path
	if path == "" {
		found, err := topology.Find(".")
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, usage("%w", err)
		}
		path = found
	}
	if info, err := os.Stat(path); path != "-" && err == nil && info.IsDir() {
		if path, err = topology.Find(path); err != nil {
			return nil, usage("%w", err)
		}
	}
	return readTopology(ctx, path, f.region, stdin)
}

// readTopology reads and checks the topology in a file, or in standard input ("-"), for a lab of a Region.
func readTopology(ctx context.Context, path, region string, stdin io.Reader) (*declared, error) {
	d := &declared{file: path}
	if path == "-" {
		d.file = "stdin"
	}
	var err error
	d.text, err = streams{in: stdin}.readFile(ctx, path, maxTopology)
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if err != nil {
		return nil, usage("topology: %w", err)
	}
	if d.dir, err = filepath.Abs(filepath.Dir(path)); err != nil { // of "-" it is the working directory
		return nil, err
	}
	if d.Topology, err = topology.Read(region, filepath.Join(filepath.Dir(path), filepath.Base(d.file)), bytes.NewReader(d.text)); err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return d, nil
}

// maxTopology is a little more than the parser takes, so that the parser is who refuses it.
const maxTopology = 2 << 20

// labName is what the lab is called: as the flag says, or the topology, or its file if that is called as topologies are, or else "lab".
func (d *declared) labName(flag string) string {
	switch {
	case flag != "":
		return flag
	case d == nil:
		return "lab"
	case d.Name != "":
		return d.Name
	}
	if base, ok := strings.CutSuffix(filepath.Base(d.file), topology.Suffix); ok {
		return base
	}
	return "lab"
}
