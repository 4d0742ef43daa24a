package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"enilab/internal/hoststate"
	"enilab/internal/realm"
	"enilab/sandbox"
)

// hostReport is what was compared of the host, before and after a lab.
type hostReport struct {
	before  hoststate.State
	changes []hoststate.Change
	news    []string
}

// runInside runs a verb in a realm of its own and compares the host before and after. Left-overs of labs whose owner is
// dead are removed first, its own whatever happens.
func (s streams) runInside(ctx context.Context, verb string, args []string, result io.Writer) (r hostReport, err error) {
	if err := reap(); err != nil {
		return r, err
	}
	name, err := realm.ThisLab(verb)
	if err != nil {
		return r, err
	}
	if r.before, err = hoststate.Take(ctx); err != nil {
		return r, err
	}
	code, err := realm.Run(ctx, realm.Config{
		Args:   append([]string{verb, "--lab=" + name.String()}, args...),
		Result: result, Stdin: s.in, Stdout: direct(s.out), Stderr: direct(s.err),
	})
	if realm.Privileged() {
		err = errors.Join(err, removeCgroups(name.String()))
	}
	if code == exitUsage { // not of the arguments, they have been checked: Go ends so after a panic or for want of a reader
		code = exitFailed
	}
	if err == nil && code != 0 {
		err = &exitError{code, nil} // the inside has said why
	}
	after, takeErr := hoststate.Take(context.WithoutCancel(ctx))
	if takeErr != nil {
		return r, errors.Join(err, takeErr)
	}
	for _, c := range hoststate.Diff(r.before, after) {
		if !othersLab(c, name) {
			r.changes = append(r.changes, c)
		}
	}
	r.news = hoststate.News(r.before, after)
	if err != nil && len(r.changes) > 0 {
		r.say(s.err)
	}
	return r, err
}

// othersLab tells whether a change is another lab's, which comes and goes beside this one.
func othersLab(c hoststate.Change, own realm.Lab) bool {
	switch c.Kind {
	case hoststate.Cgroup, hoststate.File:
		return !strings.Contains(c.Name, own.String())
	case hoststate.Process:
		return true // those of this lab have ended with their first process: the kernel has seen to it
	}
	return false
}

// say prints what was compared, and tells whether the host is as it was.
func (r hostReport) say(w io.Writer) (unchanged bool) {
	for _, n := range r.news {
		fmt.Fprintf(w, "Note: %s\n", n)
	}
	if len(r.changes) == 0 {
		fmt.Fprintf(w, "Host unchanged. Compared before and after: %s.\n", r.before.Summary())
		for _, n := range r.before.Notes() {
			fmt.Fprintf(w, "Not compared: %s\n", n)
		}
		return true
	}
	fmt.Fprintln(w, "The host has CHANGED:")
	for _, c := range r.changes {
		fmt.Fprintf(w, "  %s\n", c)
	}
	return false
}

// reap removes what labs of dead owners have left: control groups, the one thing that outlives a realm.
func reap() error {
	if !realm.Privileged() || realm.Rootless() {
		return nil
	}
	names, err := sandbox.CgroupLabs()
	if err != nil {
		return nil // no control groups: nothing can be left
	}
	for _, name := range names {
		if lab, parseErr := realm.ParseLab(name); parseErr == nil && lab.Dead() {
			err = errors.Join(err, sandbox.RemoveCgroups(name))
		}
	}
	return err
}

func removeCgroups(name string) error {
	if realm.Rootless() || sandbox.CheckCgroups() != nil {
		return nil
	}
	return sandbox.RemoveCgroups(name)
}
