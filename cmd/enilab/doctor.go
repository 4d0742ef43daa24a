package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"

	"enilab/internal/doctor"
	"enilab/internal/realm"
	"enilab/sandbox"

	"github.com/spf13/cobra"
)

func doctorCommand(s streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "doctor", Short: "Find out by trying whether this machine can run the lab, and how to mend what cannot", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "table" && format != "json" {
				return usage("--format %q: give one of [table json]", format)
			}
			checks := doctor.Host(cmd.Context())
			inside, err := s.kernelChecks(cmd.Context())
			if err != nil {
				return err
			}
			checks = append(checks, inside...)
			if err := writeChecks(s.out, format, checks); err != nil {
				return err
			}
			if err := doctor.Required(checks); err != nil {
				return &exitError{exitPrecondition, errors.New("this machine cannot run the lab yet; see the failed checks")}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "table or json")
	return cmd
}

// kernelChecks tries the kernel's features inside a realm, where whatever they make ends with it.
func (s streams) kernelChecks(ctx context.Context) (checks []doctor.Check, err error) {
	lab, err := realm.ThisLab("doctor")
	if err != nil {
		return nil, err
	}
	var result bytes.Buffer
	code, err := realm.Run(ctx, realm.Config{
		Args: []string{"doctor", "--lab=" + lab.String()}, Result: &result, Stdin: s.in, Stdout: direct(s.out), Stderr: direct(s.err),
	})
	if realm.Privileged() {
		err = errors.Join(err, removeCgroups(lab.String()))
	}
	if errors.Is(err, realm.ErrNoRights) {
		return []doctor.Check{{Name: "a world of its own", Status: doctor.Fail, Detail: err.Error(), Fix: "use sudo"}}, nil
	}
	if err == nil && code != 0 {
		err = &exitError{code, nil}
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(result.Bytes(), &checks); err != nil {
		return nil, fmt.Errorf("read the kernel checks' result: %w", err)
	}
	return checks, nil
}

func doctorInside(streams) *cobra.Command {
	var lab string
	cmd := &cobra.Command{
		Use: "doctor", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := realm.Enter()
			if err != nil {
				return err
			}
			checks := doctor.Kernel(cmd.Context())
			version, untold, err := sandbox.TryCgroups(lab)
			return json.NewEncoder(in.Result).Encode(append(checks, limits(version, untold, err, realm.Rootless())))
		},
	}
	cmd.Flags().StringVar(&lab, "lab", "", "name of the lab whose control groups are tried")
	return cmd
}

// limits is the check whether control groups limit environments, and the only one that speaks of control groups: they are of some
// version, and the kernel does not tell of memory for some reason, or there are none for some reason. The arguments are what
// [sandbox.TryCgroups] has found.
func limits(version string, untold, none error, rootless bool) doctor.Check {
	c := doctor.Check{Name: "limits of environments", Status: doctor.OK}
	c.Detail = "memory, processes and CPU by control groups, " + version
	switch {
	case none != nil:
		c.Status, c.Detail = doctor.Warn, fmt.Sprintf("none: environments run without limits of memory, processes and CPU: %v", none)
		switch {
		case rootless:
			c.Fix = "sudo enilab"
		case errors.Is(none, sandbox.ErrNoControllers):
			c.Fix = "sudo mount -t cgroup2 none /sys/fs/cgroup"
		case errors.Is(none, syscall.EBUSY):
			c.Fix = "move the processes of that group to one below it, or start the container with --cgroupns=host"
		default:
			c.Fix = "give the container the right to write there, or start enilab outside of it"
		}
	case untold != nil:
		c.Status = doctor.Info
		c.Detail += fmt.Sprintf("; the kernel does not tell when an environment has more memory than it may, "+
			"so that the lab looks four times a second: %v", untold)
	}
	return c
}

func writeChecks(w io.Writer, format string, checks []doctor.Check) error {
	if format == "json" {
		return json.NewEncoder(w).Encode(struct {
			Schema string         `json:"schema"`
			Checks []doctor.Check `json:"checks"`
		}{"enilab.doctor/v1", checks})
	}
	for _, c := range checks {
		line := fmt.Sprintf("%-4s  %s", c.Status, c.Name)
		if c.Detail != "" {
			line += ": " + c.Detail
		}
		if c.Fix != "" && (c.Status == doctor.Fail || c.Status == doctor.Warn) {
			line += "\n      fix: " + c.Fix
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
