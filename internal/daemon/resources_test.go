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

// shop is a lab with one server, which says what it is to be.
func shop(server string) string {
	return strings.ReplaceAll(`vpcs:
  vpc-a:
    cidr: 10.0.0.0/16
    subnets: {subnet-a: 10.0.1.0/24, subnet-b: 10.0.2.0/24}
    securityGroups: {sg-a: {ingress: [all from anywhere]}}
    resources: {server: {SERVER, securityGroups: [sg-a]}}
`, "SERVER", server)
}

// A changed server that does not come up gives way to the one before, and what is said then, of what was and of what would be,
// is so.
func TestServerWhoseChangeFails(t *testing.T) {
	b := newBed(t, Settings{})
	const was = "serve: whoami, subnet: subnet-a"
	if a := b.up(t.Context(), shop(was), false); a.err != nil || len(a.failed) > 0 {
		t.Fatalf("%+v", a)
	}
	address := b.lab.Network.Resource("vpc-a", "server").Interface.Address
	for _, broken := range []string{
		"command: [/bin/false], health: {port: 80}, subnet: subnet-a",
		"command: [/bin/false], health: {port: 80}, subnet: subnet-b",
		"command: [/bin/false], health: {port: 80}, subnet: subnet-a, address: 10.0.1.99",
	} {
		a := b.up(t.Context(), shop(broken), false)
		if a.err != nil || len(a.failed) != 1 || !strings.HasSuffix(a.failed[0], "; the former server is back") {
			t.Fatalf("%s: %+v", broken, a)
		}
		resource := b.lab.Network.Resource("vpc-a", "server")
		if resource == nil {
			t.Fatalf("%s: there is no server any more", broken)
		}
		must(t, resource.Healthy(t.Context()))
		if got := resource.Interface.Address; got != address {
			t.Errorf("%s: it is back at %v, and was at %v", broken, got, address)
		}
		if health, _ := b.resources.health("vpc-a/server"); health != "ok" {
			t.Errorf("%s: its health is %q", broken, health)
		}
		a = b.up(t.Context(), shop(broken), true)
		if a.err != nil || len(a.lines) != 1 || !strings.HasPrefix(a.lines[0], "change resource vpc-a/server: ") {
			t.Errorf("%s: the next dry run: %+v", broken, a)
		}
		b.wantAs(t, shop(was))
	}
}

// If the former server does not come up any more, either, that is said, and whichever can come first comes.
func TestServerThatIsLostInAChange(t *testing.T) {
	b := newBed(t, Settings{})
	program := filepath.Join(b.dir, "server")
	must(t, os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 100000\n"), 0o755))
	was := fmt.Sprintf("command: [%s], subnet: subnet-a", program)
	if a := b.up(t.Context(), shop(was), false); a.err != nil || len(a.failed) > 0 {
		t.Fatalf("%+v", a)
	}
	must(t, os.Rename(program, program+".gone"))
	const broken = "command: [/bin/false], health: {port: 80}, subnet: subnet-a"
	a := b.up(t.Context(), shop(broken), false)
	const lost = "; the former server has ended and does not come back, either: "
	if a.err != nil || len(a.failed) != 1 || !strings.Contains(a.failed[0], lost) {
		t.Fatalf("%+v", a)
	}
	a = b.up(t.Context(), shop(broken), true)
	if a.err != nil || len(a.lines) != 1 || !strings.HasPrefix(a.lines[0], "create resource vpc-a/server: ") {
		t.Errorf("the next dry run: %+v", a)
	}
	must(t, os.Rename(program+".gone", program))
	nstest.Eventually(t, time.Minute, func() error {
		if b.lab.Network.Resource("vpc-a", "server") == nil {
			return errors.New("there is no server")
		}
		return nil
	})
	b.wantAs(t, shop(was))
}

// A daemon that ends between the end of the old server and the start of the new one leaves a record by which the next one, too,
// can have the old one back.
func TestChangeThatTheNextDaemonFinishes(t *testing.T) {
	b := newBed(t, Settings{})
	const was = "serve: whoami, subnet: subnet-a"
	if a := b.up(t.Context(), shop(was), false); a.err != nil || len(a.failed) > 0 {
		t.Fatalf("%+v", a)
	}
	broken := []byte(shop("command: [/bin/false], health: {port: 80}, subnet: subnet-b"))
	p, err := b.propose(ApplyRequest{File: "bed.lab.yml", Dir: b.dir, Topology: broken, Store: b.dir})
	must(t, err)
	for range 2 { // for its address, and to be changed
		_, err = b.resources.stop(t.Context(), recordOf(*p.steps[0].to))
		must(t, err)
	}
	if _, _, err := b.resources.restore(t.Context()); err == nil || !strings.Contains(err.Error(), "the former server is back") {
		t.Errorf("restore: %v", err)
	}
	must(t, b.lab.Network.Resource("vpc-a", "server").Healthy(t.Context()))
	b.wantAs(t, shop(was))
}
