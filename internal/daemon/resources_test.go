package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"enilab/internal/events"
	"enilab/internal/nstest"
)

// A server that dies while its check hangs is started again.
func TestServerDiesWhileItsCheckHangs(t *testing.T) {
	b := newBed(t, Settings{})
	dir := filepath.Join(b.dir, "marks")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.Chmod(dir, 0o777)) // the check is another user
	mark := filepath.Join(dir, "asked")
	a := b.up(t.Context(), fmt.Sprintf(`vpcs:
  vpc-a:
    cidr: 10.0.0.0/16
    subnets: {subnet-a: 10.0.1.0/24}
    securityGroups: {sg-a: {ingress: [all from anywhere]}}
    resources:
      server:
        command: [sleep, "100000"]
        health: {command: [sh, -c, 'test -e %[1]s && exit 0; touch %[1]s; exec sleep 100000'], interval: 100ms}
        subnet: subnet-a
        securityGroups: [sg-a]
`, mark), false)
	if a.err != nil || len(a.failed) > 0 {
		t.Fatalf("%+v", a)
	}
	nstest.Eventually(t, 0, func() error {
		_, err := os.Stat(mark)
		return err
	})
	must(t, syscall.Kill(b.lab.Network.Resource("vpc-a", "server").Process().Pid(), syscall.SIGKILL))
	nstest.Eventually(t, 0, func() error {
		if health, restarts := b.resources.health("vpc-a/server"); health != "ok" || restarts != 1 {
			return errors.Join(errors.New(health), fmt.Errorf("%d restarts", restarts))
		}
		return nil
	})
}

// A server that ends whenever it is started is left alone longer and longer in between, and is not said to be well.
func TestServerDoesNotStayUp(t *testing.T) {
	b := newBed(t, Settings{})
	happens := b.events.Subscribe(t.Context(), 1000)
	a := b.up(t.Context(), `vpcs:
  vpc-a:
    cidr: 10.0.0.0/16
    subnets: {subnet-a: 10.0.1.0/24}
    securityGroups: {sg-a: {ingress: [all from anywhere]}}
    resources:
      server:
        command: [sh, -c, exit 3]
        subnet: subnet-a
        securityGroups: [sg-a]
`, false)
	if a.err != nil || len(a.failed) > 0 {
		t.Fatalf("%+v", a)
	}
	next := func(state string) time.Time {
		t.Helper()
		for {
			select {
			case e := <-happens:
				if e.Type == events.ResourceState && e.State == state {
					return e.Time
				}
			case <-time.After(time.Minute):
				t.Fatalf("it is never %s", state)
			}
		}
	}
	for n := range 4 {
		restarted := next("restarted")
		if left, least := next("failed").Sub(restarted), firstRestart<<n; left < least {
			t.Errorf("after restart %d it was left alone for %v, want %v", n+1, left, least)
		}
	}
	if health, _ := b.resources.health("vpc-a/server"); !strings.Contains(health, "exit status 3") {
		t.Errorf("its health is %q", health)
	}
}
