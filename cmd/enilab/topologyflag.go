package main

import (
	"bytes"
	"errors"
	"fmt"
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
func (f *topologyFlag) load(stdin io.Reader) (*declared, error) {
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
	d := &declared{file: path}
	var err error
	if path == "-" {
		d.file = "stdin"
		d.text, err = io.ReadAll(io.LimitReader(stdin, maxTopology))
	} else {
		if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
			if path, err = topology.Find(path); err != nil {
				return nil, usage("%w", err)
			}
			d.file = path
		}
		d.text, err = readFile(path)
	}
	if err != nil {
		return nil, usage("topology: %w", err)
	}
	if d.dir, err = filepath.Abs(filepath.Dir(path)); err != nil { // of "-" it is the working directory
		return nil, err
	}
	if d.Topology, err = topology.Read(f.region, filepath.Join(filepath.Dir(path), filepath.Base(d.file)), bytes.NewReader(d.text)); err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return d, nil
}

// maxTopology is a little more than the parser takes, so that the parser is who refuses it.
const maxTopology = 2 << 20

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxTopology))
}

// labName is what the lab is called: as the flag says, or the topology, or its file, or else "lab".
func (d *declared) labName(flag string) string {
	switch {
	case flag != "":
		return flag
	case d == nil || d.Name == "" && d.file == "stdin":
		return "lab"
	case d.Name != "":
		return d.Name
	}
	return strings.TrimSuffix(filepath.Base(d.file), topology.Suffix)
}

func validateCommand(s streams) *cobra.Command {
	var f topologyFlag
	cmd := &cobra.Command{
		Use: "validate [FILE|DIRECTORY|-]", Short: "Check a topology; needs no rights and touches nothing",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && f.path != "" {
				return usage("validate takes one topology; see '%s --help'", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.path = args[0]
			}
			d, err := f.load(s.in)
			if err != nil {
				return err
			}
			if d == nil {
				return usage("there is no *%s in the working directory; name one with -t", topology.Suffix)
			}
			if err := d.CheckFiles(); err != nil {
				return &exitError{exitUsage, err}
			}
			resources := 0
			for _, v := range d.VPCs {
				resources += len(v.Resources)
			}
			fmt.Fprintf(s.out, "%s is valid: %s, %s, %s, %s.\n", d.file, counted(len(d.VPCs), "VPC"), counted(resources, "resource"),
				counted(len(d.Roles), "role"), counted(len(d.Functions), "function"))
			return nil
		},
	}
	f.add(cmd)
	return cmd
}
