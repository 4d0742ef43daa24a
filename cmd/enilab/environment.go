package main

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"

	"enilab/internal/labs"
)

// environment is what the program takes from the variables and the place that it was started with, read once.
type environment struct {
	roots     labs.Roots // where this user's labs keep their files
	owners    []uint32   // user ids of whom this user's labs are
	functions string     // the function store that `make build` makes, beside the program
	shell     string     // the user's own
	all       []string   // NAME=value, for the commands that the user has run
}

func readEnvironment() environment {
	e := environment{roots: labs.RootsOf(os.Getuid(), os.Getenv), functions: "functions", shell: cmp.Or(os.Getenv("SHELL"), "/bin/sh"), all: os.Environ()}
	e.owners = owners(os.Getuid(), os.Getenv("SUDO_UID"))
	if self, err := os.Executable(); err == nil {
		e.functions = filepath.Join(filepath.Dir(self), "functions")
	}
	return e
}

// owners are the users of whom a lab is: who starts it, root, who may do all that a user may, and who has called sudo, who
// may do all that root may.
func owners(uid int, sudo string) []uint32 {
	list := []uint32{0}
	if uid != 0 {
		return append(list, uint32(uid))
	}
	if caller, err := strconv.ParseUint(sudo, 10, 32); err == nil && caller != 0 {
		list = append(list, uint32(caller))
	}
	return list
}
