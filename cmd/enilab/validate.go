package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"enilab/internal/daemon"
	"enilab/internal/spelling"
	"enilab/internal/topology"

	"github.com/spf13/cobra"
)

// validated is what was found in one file.
type validated struct {
	File   string         `json:"file"`
	Valid  bool           `json:"valid"`
	Counts map[string]int `json:"counts,omitempty"` // of VPCs and so on; absent if it is not valid
	Errors []fault        `json:"errors,omitempty"`
}

// fault is one thing that is wrong with a file.
type fault struct {
	Line    int    `json:"line,omitempty"` // from 1; absent if the file could not be read
	Column  int    `json:"column,omitempty"`
	Path    string `json:"path,omitempty"` // of the value
	Message string `json:"message"`
}

func validateCommand(s streams) *cobra.Command {
	var f topologyFlag
	var format string
	cmd := &cobra.Command{
		Use: "validate [FILE|DIRECTORY|-]...", Short: "Check topologies; needs no rights and touches nothing",
		Long: `Check topologies, any number of them: files, all *` + topology.Suffix + ` files of directories, or standard
input. Everything that is wrong is said with its file, line and column, and makes the exit
code 2: all that 'enilab up' would refuse for what the file alone tells. Without an argument it checks those of the working directory.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && f.path != "" {
				return usage("give the topologies either as arguments or with -t; see '%s --help'", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			if f.path != "" {
				args = []string{f.path}
			}
			paths, err := topologiesIn(args)
			if err != nil {
				return err
			}
			return s.validate(cmd.Context(), paths, format)
		},
	}
	f.add(cmd)
	addFormat(cmd, &format)
	return cmd
}

// topologiesIn lists the files that are meant, each once. Of none at all the user is told.
func topologiesIn(args []string) (paths []string, err error) {
	for _, arg := range slices.Compact(args) {
		info, statErr := os.Stat(arg)
		if arg == "-" || statErr != nil || !info.IsDir() {
			paths = append(paths, arg)
			continue
		}
		found, err := topology.List(arg)
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("no *%s in %s", topology.Suffix, arg)
		}
		if err != nil {
			return nil, usage("%w", err)
		}
		paths = append(paths, found...)
	}
	if len(args) == 0 {
		if paths, err = topology.List("."); err != nil {
			return nil, usage("%w", err)
		}
		if len(paths) == 0 {
			return nil, usage("there is no *%s in the working directory; name one", topology.Suffix)
		}
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(paths, func(p string) bool { was := seen[p]; seen[p] = true; return was }), nil
}

// validate checks all files, whatever is wrong with some.
func (s streams) validate(ctx context.Context, paths []string, format string) error {
	var list []validated
	var all []error
	for _, path := range paths {
		v := validated{File: path}
		if path == "-" {
			v.File = "stdin"
		}
		d, err := readTopology(ctx, path, "", s.in)
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if err == nil {
			err = d.validate()
		}
		if err != nil {
			all = append(all, err)
			v.Errors = faults(err)
		} else {
			v.Valid, v.Counts = true, d.counts()
		}
		list = append(list, v)
		if format == "table" && v.Valid {
			fmt.Fprintf(s.out, "%s is valid: %s, %s, %s, %s.\n", v.File, spelling.Counted(v.Counts["vpcs"], "VPC"), spelling.Counted(v.Counts["resources"], "resource"),
				spelling.Counted(v.Counts["roles"], "role"), spelling.Counted(v.Counts["functions"], "function"))
		}
	}
	if format == "json" {
		err := printJSON(s.out, struct {
			Schema string      `json:"schema"`
			Files  []validated `json:"files"`
		}{"enilab.validate/v1", list})
		if err != nil {
			return err
		}
		if len(all) > 0 {
			return &exitError{exitUsage, nil} // stdout says it all
		}
		return nil
	}
	if len(all) > 0 {
		return &exitError{exitUsage, errors.Join(all...)}
	}
	return nil
}

// validate refuses what 'up' would, as far as the file tells, and code that is not there.
func (d *declared) validate() error {
	settings, err := (&upFlags{changed: func(string) bool { return false }}).settings(d)
	if err != nil {
		return err
	}
	var all topology.Errors
	for _, err := range []error{d.CheckFiles(), daemon.Validate(d.request(true), settings)} {
		if list := topology.Errors(nil); errors.As(err, &list) {
			all = append(all, list...)
		} else if err != nil {
			return err
		}
	}
	for i := range all {
		all[i].File = d.file
	}
	return all.OrNil()
}

// counts tells how much a topology declares.
func (d *declared) counts() map[string]int {
	resources := 0
	for _, v := range d.VPCs {
		resources += len(v.Resources)
	}
	return map[string]int{"vpcs": len(d.VPCs), "resources": resources, "roles": len(d.Roles), "layers": len(d.Layers), "functions": len(d.Functions)}
}

// faults lists what is wrong with a file, or why it could not be read.
func faults(err error) (list []fault) {
	if errs := topology.Errors(nil); errors.As(err, &errs) {
		for _, e := range errs {
			list = append(list, fault{e.Line, e.Column, e.Path, e.Message})
		}
		return list
	}
	if why := (*fs.PathError)(nil); errors.As(err, &why) {
		return []fault{{Message: why.Error()}}
	}
	return []fault{{Message: err.Error()}}
}
