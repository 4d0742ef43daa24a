package nat_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"enilab/internal/nstest"
	"enilab/nat"
)

// TestENIDriftIsMended: what somebody else changes in an ENI's namespace is found and mended, and functions go through it
// as before. Rules that are as they should be go on counting.
func TestENIDriftIsMended(t *testing.T) {
	nstest.NoLeaks(t)
	tr := newTrial(t, nat.DefaultPorts, 100, 1)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	check := func() (text string) {
		t.Helper()
		found, err := tr.eni.Check(t.Context())
		must(t, err)
		for _, d := range found {
			text += d.Kind + " " + d.Is + ": " + d.What + "\n"
		}
		return text
	}
	for _, c := range []struct{ name, do, want string }{
		{"rules flushed", "iptables -F; iptables -t nat -F; iptables -X", "rule missing: filter: -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n*"},
		{"no translation", "iptables -t nat -F", "rule missing: nat: -A POSTROUTING -o eth0 -p tcp -j SNAT --to-source 10.0.1.10:1024-65535 --random-fully\n*"},
		{"no limit", "iptables -D new 1", "rule missing: filter: -A new -m connlimit --connlimit-above 100 --connlimit-mask 0 --connlimit-saddr -g full\n"},
		{"policy", "iptables -P INPUT ACCEPT", "rule missing: filter: -P INPUT DROP\nrule extra: filter: -P INPUT ACCEPT\n"},
		{"tunnel down", "ip link set tun0 down", "link changed: tun0 is down, want up\nroute missing: 100.64.0.0/10 over tun0\n"},
		{"mangled", "iptables -t mangle -A FORWARD -j DROP", "rule extra: mangle: -A FORWARD -j DROP\n"},
		{"forwards not", "echo 0 > /proc/sys/net/ipv4/ip_forward", "setting changed: net/ipv4/ip_forward is 0, want 1\n*"},
		{"idle soon", "echo 5 > /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established", "setting changed: net/netfilter/nf_conntrack_tcp_timeout_established is 5, want 350\n"},
		{"ruled out", "ip rule add pref 9 blackhole; ip route add blackhole 10.0.1.0/24 table 7", "routing rule extra: 9: from 0.0.0.0/0 to 0.0.0.0/0 blackhole\nroute extra: blackhole 10.0.1.0/24, table 7\n"},
		{"no route", "ip route delete 100.64.0.0/10", "route missing: 100.64.0.0/10 over tun0\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			must(t, tr.eni.Node.NS.Do(func() error {
				out, err := exec.CommandContext(t.Context(), "sh", "-ec", c.do).CombinedOutput()
				if err != nil {
					err = fmt.Errorf("%w: %s", err, out)
				}
				return err
			}))
			want, begins := strings.CutSuffix(c.want, "*")
			if got := check(); got != want && !(begins && strings.HasPrefix(got, want)) {
				t.Errorf("found\n%swant\n%s", got, want)
			}
			if found, err := tr.eni.Mend(gone); err != nil || len(found) == 0 { // whoever asked for it need not wait
				t.Errorf("mended %v: %v", found, err)
			}
			if got := check(); got != "" {
				t.Errorf("after mending:\n%s", got)
			}
			must(t, tr.eni.Bind(tr.tunnels[0])) // with the link, its entries go
			if _, _, err := ask(tr.slots[0], "tcp4", webA); err != nil {
				t.Errorf("after mending: %v", err)
			}
		})
	}
	before, err := tr.eni.RuleCounts()
	must(t, err)
	if found, err := tr.eni.Mend(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("drift %v: %v", found, err)
	}
	after, err := tr.eni.RuleCounts()
	must(t, err)
	if before[2].Packets == 0 || fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("counted %+v, then %+v", before, after)
	}
	must(t, tr.eni.Node.NS.Do(func() error { return exec.CommandContext(t.Context(), "ip", "link", "delete", "tun0").Run() }))
	if got := check(); got != fmt.Sprintf("link missing: tun0, the tunnel with VNI %d\n", tr.eni.VNI) {
		t.Errorf("without its tunnel: %s", got)
	}
	if _, err := tr.eni.Mend(t.Context()); err != nil {
		t.Error(err)
	}
}
