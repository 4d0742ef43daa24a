package netlab_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/nstest"
	"enilab/netlab"
)

// TestServerFromAPrivateDirectory: a server's user need not be able to walk to its program, and its check's.
func TestServerFromAPrivateDirectory(t *testing.T) {
	nstest.NoLeaks(t)
	vpc := newVPC(t, plain("vpc-blue"))
	home := filepath.Join(t.TempDir(), "home")
	must(t, os.Mkdir(home, 0o700))
	program, script := filepath.Join(home, "server"), filepath.Join(home, "script")
	must(t, copyFile(program, serverPath(t)))
	must(t, os.WriteFile(script, []byte("#!/bin/sh\nexec sleep \"$@\"\n"), 0o755))
	check := filepath.Join(home, "check")
	must(t, os.WriteFile(check, []byte("#!/bin/sh\nexit 0\n"), 0o755))

	native := whoami(t, "server", "subnet-a", "", []string{"sg-open"}, 80)
	native.Command[0] = program
	interpreted := native
	interpreted.Command, interpreted.Port = []string{script, "1000"}, 0
	for name, s := range map[string]netlab.ResourceSpec{"program": native, "script": interpreted} {
		t.Run(name, func(t *testing.T) {
			s.Check = []string{check}
			r, err := vpc.AddResource(t.Context(), s)
			must(t, err)
			defer func() { must(t, r.Close()) }()
			if err := r.Healthy(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}

	t.Run("private itself", func(t *testing.T) {
		if nstest.Rootless() {
			t.Skip("servers run as the program's owner here")
		}
		must(t, os.Chmod(program, 0o700))
		_, err := vpc.AddResource(t.Context(), native)
		if err == nil || !strings.Contains(err.Error(), "start "+program+": permission denied; servers run as a user of their own, who may not execute that file: chmod o+rx") {
			t.Errorf("got %v", err)
		}
	})
}
