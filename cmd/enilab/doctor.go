package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

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
			limits := doctor.Check{Name: "limits of environments", Status: doctor.OK, Detail: "memory, processes and CPU by control groups"}
			if err := sandbox.TryCgroups(lab); err != nil {
				limits.Status, limits.Detail = doctor.Warn, fmt.Sprintf("none: %v", err)
				if realm.Rootless() {
					limits.Fix = "sudo enilab"
				}
			}
			return json.NewEncoder(in.Result).Encode(append(checks, limits))
		},
	}
	cmd.Flags().StringVar(&lab, "lab", "", "name of the lab whose control groups are tried")
	return cmd
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
