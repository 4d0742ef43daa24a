package sandbox_test

import (
	"os/exec"
	"strings"
	"testing"

	"enilab/internal/nstest"
)

// /bin/sh is bash, by every path that leads there, and no other shell is.
func TestShellIsBash(t *testing.T) {
	nstest.NoLeaks(t)
	if _, err := exec.LookPath("/bin/bash"); err != nil {
		t.Skip("the host has no bash: ", err)
	}
	shells := map[string]string{"/bin/sh": "bash", "/usr/bin/sh": "bash", "sh": "bash", "/bin/dash": "none"}
	variants(t, func(t *testing.T, with func(setup) setup) {
		for shell, want := range shells {
			if path, err := exec.LookPath(shell); err != nil {
				t.Logf("the host has no %s", path)
				continue
			}
			o := newOutput()
			c := with(config(t, shell+` -c 'echo ${BASH_VERSION:+bash}'; echo none`))
			c.Env = append(c.Env, "PATH=/usr/bin:/bin")
			c.Output = o
			if e := await(t, start(t, c)); e.Code != 0 || !strings.HasPrefix(strings.TrimSpace(o.String()), want) {
				t.Errorf("%s is not %s: %v\n%s", shell, want, e, o)
			}
		}
	})
}
