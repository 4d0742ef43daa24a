// Package doctor finds out, by trying, whether this machine can run the lab, and says how to mend what cannot.
//
// There are two groups of checks. [Host] looks at the machine as the user who called. [Kernel] makes real objects in
// namespaces that it throws away; it needs rights over namespaces: call it as root, or inside a user namespace with a
// network and a mount namespace of its own. [Preflight] is what a command asks before it starts.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
)

// Status is a verdict.
type Status string

// The verdicts, from best to worst.
const (
	OK   Status = "ok"
	Info Status = "info" // good to know; nothing to mend
	Warn Status = "warn" // the lab runs, with less
	Fail Status = "fail" // the lab does not run
)

// Check is one thing looked at.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail,omitempty"` // what was found
	Fix    string `json:"fix,omitempty"`    // what to do about it; a command where there is one
}

// UnmetError holds the checks that failed.
type UnmetError struct{ Checks []Check }

func (e *UnmetError) Error() string {
	var b strings.Builder
	for i, c := range e.Checks {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s: %s", c.Name, c.Detail)
		if c.Fix != "" {
			fmt.Fprintf(&b, " (fix: %s)", c.Fix)
		}
	}
	return b.String()
}

// Required returns an [UnmetError] if any of the checks failed.
func Required(checks []Check) error {
	var failed []Check
	for _, c := range checks {
		if c.Status == Fail {
			failed = append(failed, c)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return &UnmetError{failed}
}

// probe is a check that tries something.
type probe struct {
	name string
	try  func(context.Context) (detail string, err error)
	fix  string // what to do if it does not work, unless the error is a finding that knows better
}

// finding is an error that says more than that its probe failed.
type finding struct {
	error
	status Status // zero means Fail
	fix    string
}

func run(ctx context.Context, probes []probe) []Check {
	var checks []Check
	for _, p := range probes {
		checks = append(checks, p.check(ctx))
	}
	return checks
}

func (p probe) check(ctx context.Context) Check {
	detail, err := p.try(ctx)
	if err == nil {
		return Check{Name: p.name, Status: OK, Detail: detail}
	}
	var f finding
	errors.As(err, &f)
	return Check{Name: p.name, Status: cmp.Or(f.status, Fail), Detail: err.Error(), Fix: cmp.Or(f.fix, p.fix)}
}
