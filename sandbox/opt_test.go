package sandbox_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/nstest"
)

// The environment sees them at /opt, and cannot write there.
func TestLayersAreAtOpt(t *testing.T) {
	nstest.NoLeaks(t)
	variants(t, func(t *testing.T, with func(setup) setup) {
		o := newOutput()
		c := with(config(t, "cat /opt/lib/a; touch /opt/b 2>&1; ls /opt"))
		c.Output, c.Layers = o, code(t, "")
		if err := os.Mkdir(filepath.Join(c.Layers, "lib"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.Layers, "lib/a"), []byte("of a layer\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		await(t, start(t, c))
		if got := o.String(); !strings.HasPrefix(got, "of a layer\n") || !strings.Contains(got, "Read-only file system\nbootstrap\nlib\n") {
			t.Error(got)
		}
	})
}
