package netlab

import "testing"

// TestChooseUser: a server's user is one that its user namespace has, as a user and as a group.
func TestChooseUser(t *testing.T) {
	const own = 1_885_000_000
	const (
		machine   = "         0          0 4294967295\n"
		container = "         0     100000      65536\n" // unprivileged LXC, docker userns-remap
		podman    = "         0       1000          1\n         1     100000      65536\n"
		short     = "         0     100000      65534\n" // without nobody
		single    = "         0       1000          1\n"
		scattered = "0 100000 1000\n65534 165534 1\n1885000000 200000 1\n"
	)
	for name, c := range map[string]struct {
		uids, gids string
		want       uint32 // zero: none
	}{
		"the machine":             {machine, machine, own},
		"container":               {container, container, nobody},
		"rootless podman":         {podman, podman, nobody},
		"without nobody":          {short, short, 0},
		"one id":                  {single, single, 0},
		"several ranges":          {scattered, scattered, own},
		"fewer groups than users": {machine, container, nobody},
		"fewer users than groups": {container, machine, nobody},
		"one group":               {container, single, 0},
		"no map yet":              {"", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			if id, ok := chooseUser(own, c.uids, c.gids); id != c.want || ok != (c.want != 0) {
				t.Errorf("got %d, %v; want %d", id, ok, c.want)
			}
		})
	}
	for id, want := range map[uint32]bool{0: true, 1: true, 65536: true, 65537: false} {
		if isMapped(id, podman) != want {
			t.Errorf("%d: %v", id, !want)
		}
	}
	if isMapped(1<<32-1, machine) {
		t.Error("(uid_t)-1 is nobody's id")
	}
}

func TestOwnUser(t *testing.T) {
	for _, node := range []string{"", "vpc-0123.redis", "vpc-0123.web"} {
		if id := ownUser(node); id < firstServerUID || id >= firstServerUID+serverUIDs || id != ownUser(node) {
			t.Errorf("%q: %d", node, id)
		}
	}
	if ownUser("vpc-0123.redis") == ownUser("vpc-0123.web") {
		t.Error("two servers, one user")
	}
}
