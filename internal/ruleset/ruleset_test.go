package ruleset_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"enilab/internal/netns"
	"enilab/internal/nstest"
	"enilab/internal/ruleset"
)

const plan = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:in-16 - [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -p tcp --syn -j in-16
-A in-16 -s 10.0.2.0/24 -p tcp --dport 80 -m comment --comment sg-a -j ACCEPT
-A in-16 -p icmp -j ACCEPT
COMMIT
`

func parse(t *testing.T, text string) ruleset.Set {
	t.Helper()
	s, err := ruleset.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDiff(t *testing.T) {
	edit := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(plan) }
	for name, c := range map[string]struct{ have, want string }{
		"the same":      {plan, ""},
		"other words":   {edit("-p tcp --syn", "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN"), ""},
		"policy":        {edit(":FORWARD DROP", ":FORWARD ACCEPT"), "missing -P FORWARD DROP\nextra -P FORWARD ACCEPT\n"},
		"rule gone":     {edit("-A in-16 -p icmp -j ACCEPT\n", ""), "missing -A in-16 -p icmp -j ACCEPT\n"},
		"rule besides":  {edit("-A in-16 -p icmp", "-A in-16 -j ACCEPT\n-A in-16 -p icmp"), "extra -A in-16 -j ACCEPT\n"},
		"rule twice":    {edit("-A in-16 -p icmp -j ACCEPT\n", "-A in-16 -p icmp -j ACCEPT\n-A in-16 -p icmp -j ACCEPT\n"), "extra -A in-16 -p icmp -j ACCEPT\n"},
		"rule changed":  {edit("--dport 80", "--dport 81"), "missing -A in-16 -s 10.0.2.0/24 -p tcp --dport 80 -m comment --comment sg-a -j ACCEPT\nextra -A in-16 -s 10.0.2.0/24 -p tcp --dport 81 -m comment --comment sg-a -j ACCEPT\n"},
		"rules swapped": {edit("-A in-16 -p icmp -j ACCEPT\n", "", "-A in-16 -s", "-A in-16 -p icmp -j ACCEPT\n-A in-16 -s"), "moved -A in-16 -p icmp -j ACCEPT\n"},
		"chain besides": {edit(":in-16", ":x - [0:0]\n:in-16"), "extra -N x\n"},
		"another table": {plan + "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j ACCEPT\nCOMMIT\n", ""}, // not meant, and not looked at
		"nothing at all": {
			"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n",
			"missing -P FORWARD DROP\nextra -P FORWARD ACCEPT\nmissing -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nmissing -A FORWARD -p tcp --syn -j in-16\n" +
				"missing -P INPUT DROP\nextra -P INPUT ACCEPT\nmissing -N in-16\nmissing -A in-16 -s 10.0.2.0/24 -p tcp --dport 80 -m comment --comment sg-a -j ACCEPT\nmissing -A in-16 -p icmp -j ACCEPT\n",
		},
	} {
		var got strings.Builder
		for _, d := range ruleset.Diff(parse(t, plan), parse(t, c.have)) {
			if d.Table != "filter" {
				t.Errorf("%s: in table %s", name, d.Table)
			}
			fmt.Fprintf(&got, "%s %s\n", d.Is, d.Line)
		}
		if got.String() != c.want {
			t.Errorf("%s:\ngot\n%swant\n%s", name, got.String(), c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, bad := range []string{"*filter\n:x\n", "*filter\nnonsense\n", "*filter\n-A\n", "*filter\n-P x\n", "*filter\n-A x -c 1\n", "*filter\n-A x -c a 2 -j y\n", "*filter\n-A x \"\n"} {
		if _, err := ruleset.Parse(bad); err == nil || !strings.Contains(err.Error(), "filter") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// backends are the iptables of this machine, each as a PATH on which it is the one.
func backends(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, backend := range []string{"nft", "legacy"} {
		program, err := exec.LookPath("iptables-" + backend)
		if err != nil {
			t.Logf("without iptables-%s", backend)
			continue
		}
		dir := t.TempDir()
		for _, as := range []string{"iptables", "iptables-restore", "iptables-save"} {
			real, err := filepath.EvalSymlinks(program) // one program that looks at its name
			if err == nil {
				err = os.Symlink(real, filepath.Join(dir, as))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		found[backend] = dir + ":" + os.Getenv("PATH")
	}
	if len(found) == 0 {
		t.Skip("there is no iptables-nft and no iptables-legacy")
	}
	return found
}

func apply(t *testing.T, ns *netns.NS, text string) {
	t.Helper()
	err := ns.Do(func() error {
		cmd := exec.Command("iptables-restore", "--wait", "10")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, ns *netns.NS, tables ...string) (s ruleset.Set) {
	t.Helper()
	err := ns.Do(func() (err error) {
		s, err = ruleset.Read(tables...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestReadBack: every plan of the project comes back as it was written, from either backend, and counts what passes.
func TestReadBack(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	files, err := filepath.Glob("../../n*/testdata/*.rules")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d plans, %v", len(files), err)
	}
	plans := map[string]string{"above": plan, "protocols": `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p 47 -j ACCEPT
-A INPUT -p 89 -j ACCEPT
-A INPUT -p 253 -j ACCEPT
-A INPUT -p icmp --icmp-type 8 -j ACCEPT
-A INPUT -p icmp --icmp-type 3/1 -j ACCEPT
-A INPUT -p udp --dport 0:65535 -j ACCEPT
-A INPUT -s 10.0.0.5/32 -m comment --comment "a b,c" -j ACCEPT
COMMIT
`}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		plans[f] = string(text)
	}
	for backend, path := range backends(t) {
		t.Run(backend, func(t *testing.T) {
			t.Setenv("PATH", path)
			for name, text := range plans {
				ns := nstest.NS(t)
				want := parse(t, text)
				tables := []string{"filter"}
				if strings.HasPrefix(text, "*nat") {
					tables = append(tables, "nat")
				}
				if have := read(t, ns, tables...); len(ruleset.Diff(want, have)) == 0 {
					t.Errorf("%s: an empty namespace has it", name)
				}
				apply(t, ns, text)
				for _, d := range ruleset.Diff(want, read(t, ns, tables...)) {
					t.Errorf("%s: %s: %s", name, d.Is, d.Line)
				}
			}
		})
	}
}

func TestReadCounts(t *testing.T) {
	nstest.NoLeaks(t)
	for backend, path := range backends(t) {
		t.Run(backend, func(t *testing.T) {
			t.Setenv("PATH", path)
			ns := nstest.NS(t)
			apply(t, ns, "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:x - [0:0]\n-A OUTPUT -p udp --dport 9 -j x\n-A x -j DROP\nCOMMIT\n")
			send := exec.Command("bash", "-c", "ip link set lo up; for i in 1 2 3; do echo 12345 > /dev/udp/127.0.0.1/9; done")
			_ = ns.Do(func() error { out, err := send.CombinedOutput(); t.Logf("%s", out); return err }) // what is dropped is an error to who sent it
			s := read(t, ns, "filter")
			want := ruleset.Count{Packets: 3, Bytes: 3 * (20 + 8 + 6)}
			if out := s[ruleset.Name{Table: "filter", Chain: "OUTPUT"}]; len(out.Rules) != 1 || out.Rules[0].Count != want || out.Policy != "ACCEPT" || out.Count != (ruleset.Count{}) {
				t.Errorf("OUTPUT is %+v", out)
			}
			if x := s[ruleset.Name{Table: "filter", Chain: "x"}]; len(x.Rules) != 1 || x.Rules[0].Count != want || x.Rules[0].Text != "-j DROP" {
				t.Errorf("x is %+v", x)
			}
			if err := ns.Do(func() error { _, err := ruleset.Read("nowhere"); return err }); err == nil || !strings.Contains(err.Error(), "nowhere") {
				t.Errorf("a table that is none: %v", err)
			}
		})
	}
}

// TestReadWithoutIptables: the error says what is missing.
func TestReadWithoutIptables(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := ruleset.Read("filter"); err == nil || !strings.Contains(err.Error(), "iptables") {
		t.Errorf("got %v", err)
	}
}
