package e2e_test

import (
	"os/exec"
	"strings"
	"testing"

	"enilab/internal/nstest"
)

// The check of the host is no claim: what changes meanwhile in the namespace that the program was started in is named,
// and the run fails for it.
func TestHostThatChanges(t *testing.T) {
	nstest.NeedRoot(t)
	who := identities(t)[0]
	changes := []struct {
		command string
		said    string
	}{
		{"ip link add intruder type veth peer name accomplice", "link intruder appeared"},
		{"ip route add blackhole 192.0.2.0/24", "192.0.2.0/24"},
		{"echo 1 >/proc/sys/net/ipv4/ip_forward", "net/ipv4/ip_forward changed"},
		{"ip address add 192.0.2.9/32 dev lo", "192.0.2.9"},
		{"iptables -A INPUT -s 192.0.2.1 -j DROP", "table "},
	}
	if who.rootless {
		changes = changes[:4] // reading tables needs root
	}
	for _, args := range [][]string{small, quick} {
		t.Run(args[0], func(t *testing.T) {
			keepsMachine(t)
			ns := nstest.NS(t)
			in := func(fn func() error) {
				t.Helper()
				if err := ns.Do(fn); err != nil {
					t.Fatal(err)
				}
			}
			r := who.command(args...)
			in(func() error { r.start(t); return nil }) // a child starts where its parent's thread is
			// The host has been looked at before when the inside has servers of its own.
			r.until(t, "it runs", func() bool { inner := r.inner(); return inner != 0 && len(descendants(inner)) > 1 })
			for _, c := range changes {
				in(func() error { return exec.Command("sh", "-c", c.command).Run() })
			}
			res := r.result(t).want(t, 1, "enilab: the host is not as it was")
			says := res.stdout
			if args[0] == "compare" {
				says = res.stderr
				if rep := parseReport(t, res); *rep.HostUnchanged || len(rep.Variants) != len(variantNames) {
					t.Errorf("the report does not say so: %v", res)
				}
			}
			for _, c := range changes {
				if !strings.Contains(says, "CHANGED") || !strings.Contains(says, c.said) {
					t.Errorf("it does not say that %s; %v", c.said, res)
				}
			}
			if strings.Contains(res.stdout+res.stderr, "Host unchanged") {
				t.Errorf("it contradicts itself: %v", res)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		keepsMachine(t)
		ns := nstest.NS(t)
		r := who.command(quick...)
		if err := ns.Do(func() error { r.start(t); return nil }); err != nil {
			t.Fatal(err)
		}
		if rep := parseReport(t, r.result(t).want(t, 0)); !*rep.HostUnchanged {
			t.Error("unchanged, and yet reported")
		}
	})
}

// A failed run reports a changed host, too.
func TestHostThatChangesUnderFailure(t *testing.T) {
	nstest.NeedRoot(t)
	keepsMachine(t)
	ns := nstest.NS(t)
	r := identities(t)[0].command(small...)
	if err := ns.Do(func() error { r.start(t); return nil }); err != nil {
		t.Fatal(err)
	}
	r.untilSaid(t, "Built in")
	if err := ns.Do(func() error {
		return exec.Command("ip", "link", "add", "intruder", "type", "veth", "peer", "name", "accomplice").Run()
	}); err != nil {
		t.Fatal(err)
	}
	r.signal(t, false, 2)
	r.result(t).want(t, 130, "enilab: interrupted", "CHANGED", "link intruder appeared")
}
