package aws_test

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// Somebody changes in the kernel what the lab has made: check tells it with exit code 4, and up mends it, whether the daemon
// lives or not. What is as it should be goes on counting.
func TestDrift(t *testing.T) {
	t.Parallel()
	l := up(t, strings.ReplaceAll(two, "STORE", functions))
	check := func(code int, words ...string) {
		t.Helper()
		out, err := l.run("check")
		exit := new(exec.ExitError)
		if code == 0 && err != nil || code != 0 && (!errors.As(err, &exit) || exit.ExitCode() != code) {
			t.Errorf("check: %v, want exit code %d\n%s", err, code, out)
		}
		for _, w := range words {
			if !strings.Contains(string(out)+fmt.Sprint(err), w) {
				t.Errorf("check does not say %q: %v\n%s", w, err, out)
			}
		}
	}
	// admitted is how many connections the kernel has counted through the ENI.
	admitted := func() (n float64) {
		for _, row := range l.inspect("rules") {
			if row["rule"] == "new connections admitted" {
				n += row["packets"].(float64)
			}
		}
		return n
	}
	l.say(t, "invoke", "steady-shared", "--payload", `{"whoami":"http://10.0.1.20/"}`)
	eni := l.inspect("enis")[0]["eni"].(string)
	counted := admitted()
	if counted == 0 {
		t.Errorf("no connection was counted: %v", l.inspect("rules"))
	}
	if out := l.say(t, "inspect", "rules", "vpc-blue"); !strings.Contains(out, "sg-blue") || strings.Contains(out, "vpc-green") {
		t.Errorf("rules of vpc-blue:\n%s", out)
	}
	check(0, "as the lab's state says")

	l.say(t, "exec", "vpc-blue", "--", "sh", "-ec", "iptables -P FORWARD ACCEPT; iptables -F")
	check(4, "vpc vpc-blue", "rule", "missing", "filter: -P FORWARD DROP", "extra", "'enilab up' mends that")
	if out := l.say(t, "up", "-t", l.file, "--name", l.name, "--dry-run"); !strings.Contains(out, "would mend vpc vpc-blue: rule missing") {
		t.Errorf("dry run: %s", out)
	}
	check(4)
	if out := l.say(t, "up", "-t", l.file, "--name", l.name); !strings.Contains(out, "mended vpc vpc-blue: rule missing") || strings.Contains(out, "The lab is as") {
		t.Errorf("up: %s", out)
	}
	check(0)
	if out := l.say(t, "up", "-t", l.file, "--name", l.name); strings.Contains(out, "mended") || !strings.Contains(out, "The lab is as the topology says.") {
		t.Errorf("up again: %s", out)
	}

	// What the lab has nothing to do with, and stands in its way all the same.
	l.say(t, "exec", "vpc-blue", "--", "sh", "-ec", "iptables -t mangle -A PREROUTING -j DROP; ip addr add 10.0.99.1/24 dev lo; echo 0 >/proc/sys/net/ipv4/ip_forward")
	for _, node := range []string{"vpc-blue/whoami", "hyperplane", "worker", "internet", eni} {
		l.say(t, "exec", node, "--", "ip", "rule", "add", "pref", "5", "blackhole")
	}
	check(4, "vpc vpc-blue", "mangle: -A PREROUTING -j DROP", "10.0.99.1/24 of the router", "net/ipv4/ip_forward is 0, want 1", "resource vpc-blue/whoami", "node hyperplane", "node worker", "node internet", "eni "+eni)
	if out := l.say(t, "up", "-t", l.file, "--name", l.name); !strings.Contains(out, "mended node internet: routing rule extra: 5:") {
		t.Errorf("up: %s", out)
	}
	check(0)
	l.say(t, "invoke", "steady-legacy", "--payload", `{"whoami":"http://10.0.1.20/"}`)

	counted = admitted()
	l.kill()
	if out := l.say(t, "up", "--name", l.name); strings.Contains(out, "mended") {
		t.Errorf("nothing was changed: %s", out)
	}
	if now := admitted(); now != counted {
		t.Errorf("%v connections counted, and after a recovery %v", counted, now)
	}
	l.listed = l.list()
	l.say(t, "exec", eni, "--", "iptables", "-t", "nat", "-F")
	check(4, "eni "+eni, "nat: -A POSTROUTING")
	l.kill()
	if out := l.say(t, "up", "--name", l.name); !strings.Contains(out, "mended eni "+eni+": rule missing: nat: -A POSTROUTING") {
		t.Errorf("up after a kill: %s", out)
	}
	check(0)
	l.listed = l.list()
	if out := l.say(t, "invoke", "steady-shared", "--payload", `{"whoami":"http://10.0.1.20/"}`); !strings.Contains(out, l.inspect("enis")[0]["address"].(string)) {
		t.Errorf("after mending: %s", out)
	}
}
