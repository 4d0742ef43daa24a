package daemon

import (
	"errors"
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

// A Redis that a failed change has ended is back with what its topology declares, and it is said that the rest is lost.
func TestRedisWhoseChangeFails(t *testing.T) {
	b := newBed(t, Settings{})
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	was := shop("serve: redis, data: {tenant: blue}, subnet: subnet-a")
	if a := b.up(t.Context(), was, false); a.err != nil || len(a.failed) > 0 {
		t.Fatalf("%+v", a)
	}
	a := b.up(t.Context(), shop("command: [/bin/false], health: {port: 80}, subnet: subnet-a"), false)
	if len(a.failed) != 1 || !strings.HasSuffix(a.failed[0], "; the former server is back with the data that was declared for it, and no other") {
		t.Fatalf("%+v", a)
	}
	c, err := dialRedis(t.Context(), b.lab.Network.Resource("vpc-a", "server"))
	must(t, err)
	defer c.Close()
	if text, err := redis.String(c.DoContext(t.Context(), "GET", "tenant")); err != nil || text != "blue" {
		t.Errorf("it holds %q: %v", text, err)
	}
	b.wantAs(t, was)
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
