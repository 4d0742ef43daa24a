package netlab_test

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"enilab/internal/nstest"
	"enilab/netlab"
)

// TestRedisIsLocked: who reaches a Redis may use it, and not what would have it write files or run code, by settings of the
// lab's own.
func TestRedisIsLocked(t *testing.T) {
	command := strings.Join(netlab.RedisCommand(6379), " ")
	for _, setting := range []string{"debug-command", "module-command", "protected-configs"} {
		if !strings.Contains(command+" ", " --enable-"+setting+" no ") {
			t.Errorf("%s is left to Redis: %s", setting, command)
		}
	}
	nstest.NoLeaks(t)
	vpc, client := newVPC(t, plain("vpc-blue")), newNode(t, "client")
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is missing; scripts/deps.sh test installs it")
	}
	attach(t, vpc, client, open, true)
	at := netip.MustParseAddrPort("10.0.1.20:6379")
	r, err := vpc.AddResource(t.Context(), netlab.ResourceSpec{
		Name: "redis", Subnet: "subnet-a", SecurityGroups: []string{"sg-open"}, Address: at.Addr(), Port: at.Port(),
		Command: netlab.RedisCommand(at.Port()),
	})
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	var c net.Conn
	must(t, client.NS.Do(func() (err error) {
		c, err = net.DialTimeout("tcp4", at.String(), answerWithin)
		return err
	}))
	defer c.Close()
	answers := bufio.NewReader(c)
	const failed = "-ERR CONFIG SET failed (possibly related to argument "
	for _, try := range []struct{ command, want string }{
		{"SET tenant blue", "+OK"},
		{"DEBUG JMAP", "-ERR DEBUG command not allowed. "},
		{"MODULE LOAD /tmp/m.so", "-ERR MODULE command not allowed. "},
		{"CONFIG SET dir /tmp", failed + "'dir') - can't set protected config"},
		{"CONFIG SET dbfilename x", failed + "'dbfilename') - can't set protected config"},
		{"CONFIG SET enable-protected-configs yes", failed + "'enable-protected-configs') - can't set immutable config"},
		{"CONFIG SET enable-debug-command yes", failed + "'enable-debug-command') - can't set immutable config"},
	} {
		fmt.Fprintf(c, "%s\r\n", try.command)
		if answer, err := answers.ReadString('\n'); err != nil || !strings.HasPrefix(answer, try.want) {
			t.Errorf("%s: %q, want %q: %v", try.command, answer, try.want, err)
		}
	}
}
