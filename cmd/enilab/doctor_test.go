package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"enilab/internal/doctor"
	"enilab/sandbox"
)

// One line says all of control groups, and what is to be done.
func TestLimits(t *testing.T) {
	refused := errors.New("write cgroup.event_control: no such file")
	for name, c := range map[string]struct {
		version      string
		untold, none error
		rootless     bool
		status       doctor.Status
		detail, fix  string
	}{
		"all":               {"version 2", nil, nil, false, doctor.OK, "by control groups, version 2", ""},
		"without events":    {"version 1", refused, nil, false, doctor.Info, "version 1; the kernel does not tell when an environment has more memory than it may, so that the lab looks four times a second: write", ""},
		"without root":      {"", nil, errors.New("cannot be written to"), true, doctor.Warn, "none: environments run without limits", "sudo enilab"},
		"not mounted":       {"", nil, fmt.Errorf("cgroup: %w cpu", sandbox.ErrNoControllers), false, doctor.Warn, "none: ", "sudo mount -t cgroup2 none /sys/fs/cgroup"},
		"a container's own": {"", nil, fmt.Errorf("cgroup: %w", syscall.EBUSY), false, doctor.Warn, "none: ", "--cgroupns=host"},
		"read-only":         {"", nil, syscall.EROFS, false, doctor.Warn, "none: ", "outside"},
	} {
		got := limits(c.version, c.untold, c.none, c.rootless)
		if got.Status != c.status || !strings.Contains(got.Detail, c.detail) || !strings.Contains(got.Fix, c.fix) || (got.Status == doctor.Warn) != (got.Fix != "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
