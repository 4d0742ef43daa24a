package daemon

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"enilab/internal/nstest"

	"github.com/gomodule/redigo/redis"
)

// Whoever reaches a Redis may lock it, or have it serve nobody. That is seen, and it starts again with what its topology declares.
func TestRedisThatServesNobody(t *testing.T) {
	b := newBed(t, Settings{})
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	a := b.up(t.Context(), `vpcs:
  vpc-a:
    cidr: 10.0.0.0/16
    subnets: {subnet-a: 10.0.1.0/24}
    securityGroups: {sg-a: {ingress: [all from anywhere]}}
    resources: {redis: {serve: redis, data: {tenant: blue}, subnet: subnet-a, securityGroups: [sg-a], address: 10.0.1.20}}
`, false)
	if a.err != nil || len(a.failed) > 0 {
		t.Fatalf("%+v", a)
	}
	resource := b.lab.Network.Resource("vpc-a", "redis")
	do := func(command string) (text string, err error) {
		c, err := dialRedis(t.Context(), resource)
		if err != nil {
			return "", err
		}
		defer c.Close()
		words := strings.Fields(command)
		args := make([]any, len(words)-1)
		for i, w := range words[1:] {
			args[i] = w
		}
		return redis.String(c.DoContext(t.Context(), words[0], args...))
	}
	for _, harm := range []string{"ACL SETUSER default off", "CONFIG SET requirepass secret", "CONFIG SET maxclients 1"} {
		must(t, healthy(t.Context(), resource))
		pid := resource.Process().Pid()
		var held redis.ConnWithContext
		if strings.Contains(harm, "maxclients") {
			var err error
			held, err = dialRedis(t.Context(), resource)
			must(t, err)
		}
		if _, err := do(harm); err != nil {
			t.Fatalf("%s: %v", harm, err)
		}
		nstest.Eventually(t, time.Minute, func() error {
			if _, restarts := b.resources.health("vpc-a/redis"); resource.Process() == nil || resource.Process().Pid() == pid || restarts == 0 {
				return errors.New("nobody has noticed")
			}
			text, err := do("GET tenant")
			if err == nil && text != "blue" {
				err = errors.New("it holds " + text)
			}
			return err
		})
		if held != nil {
			held.Close()
		}
	}
}

// A Redis that a failed change has ended is back with all that it held, or, if that could not be had, with what its topology
// declares; which of both is said.
func TestRedisWhoseChangeFails(t *testing.T) {
	b := newBed(t, Settings{})
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	was := shop("serve: redis, data: {tenant: blue, deleted: yes, changed: no}, subnet: subnet-a")
	if a := b.up(t.Context(), was, false); a.err != nil || len(a.failed) > 0 {
		t.Fatalf("%+v", a)
	}
	do := func(command string) string {
		t.Helper()
		c, err := dialRedis(t.Context(), b.lab.Network.Resource("vpc-a", "server"))
		must(t, err)
		defer c.Close()
		var answers []string
		for one := range strings.SplitSeq(command, "; ") {
			words := strings.Fields(one)
			args := make([]any, len(words)-1)
			for i, w := range words[1:] {
				args[i] = w
			}
			answer, err := c.DoContext(t.Context(), words[0], args...)
			if err != nil {
				t.Fatalf("%s: %v", one, err)
			}
			answers = append(answers, fmt.Sprintf("%s", answer))
		}
		return strings.Join(answers, " ")
	}
	do("DEL deleted; SET changed yes; SET passing by EX 10000; RPUSH list a b c; SELECT 7; SET elsewhere here")
	fail := func(broken, suffix string) {
		t.Helper()
		a := b.up(t.Context(), shop(broken), false)
		if len(a.failed) != 1 || !strings.HasSuffix(a.failed[0], suffix) {
			t.Fatalf("%+v", a)
		}
		b.wantAs(t, was)
	}
	const all = "GET tenant; EXISTS deleted; GET changed; GET passing; LRANGE list 0 -1; SELECT 7; GET elsewhere"
	for _, broken := range []string{
		"command: [/bin/false], health: {port: 80}, subnet: subnet-a",
		"command: [/bin/false], health: {port: 80}, subnet: subnet-b, address: 10.0.2.9",
	} {
		fail(broken, "; the former server is back with its data")
		if got, want := do(all), "blue %!s(int64=0) yes by [a b c] OK here"; got != want {
			t.Errorf("it holds %q, want %q", got, want)
		}
	}
	if left := do("PTTL passing"); left == "%!s(int64=-1)" {
		t.Error("what is there for a time is there for ever")
	}
	do("CONFIG SET requirepass secret") // so that nobody can ask what it holds
	fail("command: [/bin/false], health: {port: 80}, subnet: subnet-a",
		"; the former server is back with the data that was declared for it, and no other")
	if got, want := do("GET tenant; DBSIZE"), "blue %!s(int64=3)"; got != want {
		t.Errorf("it holds %q, want %q", got, want)
	}
	if n := len(b.resources.kept); n > 0 {
		t.Errorf("the data of %d servers is still kept", n)
	}
}

// One that is busy is not restarted: its data would be lost for somebody's script.
func TestRedisThatIsBusy(t *testing.T) {
	for answer, sick := range map[string]bool{"BUSY Redis is busy running a script.": false, "LOADING Redis is loading the dataset in memory": false, "NOAUTH Authentication required.": true} {
		if isIll(redis.Error(answer)) != sick {
			t.Errorf("%s: %v", answer, !sick)
		}
	}
	if isIll(nil) || !isIll(errors.New("i/o timeout")) {
		t.Error("answers that are none")
	}
}
