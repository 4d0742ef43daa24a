package netlab_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"enilab/internal/nstest"
)

// TestHealth: a server is healthy if its port accepts connections and its check says so, from inside.
func TestHealth(t *testing.T) {
	nstest.NoLeaks(t)
	vpc := newVPC(t, plain("vpc-blue"))
	well := filepath.Join(t.TempDir(), "well")
	s := whoami(t, "server", "subnet-a", "10.0.1.20", []string{"sg-open"}, 80)
	s.Check = []string{"sh", "-c", "ls " + well + " && cat /proc/self/net/fib_trie | grep -q {address}"}
	r, err := vpc.AddResource(t.Context(), s)
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	unwell := func(want string) {
		t.Helper()
		if err := r.Healthy(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	unwell("resource server: check: sh: exit status 2: ls: ")
	must(t, os.Chmod(filepath.Dir(well), 0o755)) // the check is nobody
	must(t, os.Chmod(filepath.Dir(filepath.Dir(well)), 0o755))
	must(t, os.WriteFile(well, nil, 0o644))
	must(t, r.Healthy(t.Context()))

	r.Spec.Port = 81
	unwell("resource server: port 81: ")
	r.Spec.Port = 80
	r.Spec.Check = []string{"sh", "-c", "sleep 1000 & sleep 1000"}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Healthy(ctx); err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
		t.Errorf("a check that hangs: %v", err)
	}
}

// TestRestartsMeetClose: whoever looks at a server or starts it again meanwhile, Close is the end of it.
func TestRestartsMeetClose(t *testing.T) {
	nstest.NoLeaks(t)
	vpc := newVPC(t, plain("vpc-blue"))
	r, err := vpc.AddResource(t.Context(), whoami(t, "server", "subnet-a", "", []string{"sg-open"}, 80))
	must(t, err)
	first := r.State()
	must(t, r.Restart(t.Context()))
	if now := r.State(); now.ProcessState == first.ProcessState || now.Interface != first.Interface || now.Address != first.Address {
		t.Errorf("restarted as %+v, was %+v", now, first)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { r.Restart(t.Context()) })
		wg.Go(func() { r.Healthy(t.Context()) })
		wg.Go(func() { r.State() })
	}
	must(t, r.Close())
	wg.Wait()
	if p := r.Process(); p != nil {
		t.Errorf("process %d after Close", p.Pid())
	}
}
