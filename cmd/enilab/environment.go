package main

import (
	"cmp"
	"os"
	"path/filepath"

	"enilab/internal/labs"
)

// environment is what the program takes from the variables and the place that it was started with, read once.
type environment struct {
	roots     labs.Roots // where this user's labs keep their files
	functions string     // the function store that `make build` makes, beside the program
	shell     string     // the user's own
	all       []string   // NAME=value, for the commands that the user has run
}

func readEnvironment() environment {
	e := environment{roots: labs.RootsOf(os.Getuid(), os.Getenv), functions: "functions", shell: cmp.Or(os.Getenv("SHELL"), "/bin/sh"), all: os.Environ()}
	if self, err := os.Executable(); err == nil {
		e.functions = filepath.Join(filepath.Dir(self), "functions")
	}
	return e
}
