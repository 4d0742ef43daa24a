package netlab

import (
	"fmt"
	"hash/fnv"
	"os"
	"strings"
)

// Where the lab has the right to choose, a server runs as a user of its own, so that who takes one over is nobody to the others and
// to the host: as one of serverUIDs ids from firstServerUID on, which neither systemd assigns (up to 1,879,048,191,
// https://systemd.io/UIDS-GIDS/) nor environments have. A container often has no ids as high as that, but 65,536 (subuid(5)):
// there all servers run as nobody.
const (
	firstServerUID = 1_880_000_000
	serverUIDs     = 20_000_000
	nobody         = 65534
)

// ServerUser is the user and group id that the server in a node of this name runs as. It is false if this process cannot give a
// server any other id than its own.
func ServerUser(node string) (id uint32, ok bool) {
	if os.Geteuid() != 0 {
		return 0, false
	}
	uids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return 0, false
	}
	gids, err := os.ReadFile("/proc/self/gid_map")
	if err != nil {
		return 0, false
	}
	// Who may not change the groups cannot give up those of the lab's own user.
	groups, err := os.ReadFile("/proc/self/setgroups")
	if err != nil || strings.TrimSpace(string(groups)) != "allow" {
		return 0, false
	}
	return chooseUser(ownUser(node), string(uids), string(gids))
}

// ownUser follows from the server's node, so that nobody has to remember it. Two of 1,000 servers share one in 2 of 100 labs.
func ownUser(node string) uint32 {
	h := fnv.New64a()
	h.Write([]byte(node))
	return firstServerUID + uint32(h.Sum64()%serverUIDs)
}

// chooseUser is the first of own and nobody that this user namespace has as a user and as a group, by its uid_map and gid_map.
func chooseUser(own uint32, uids, gids string) (id uint32, ok bool) {
	for _, id := range []uint32{own, nobody} {
		if isMapped(id, uids) && isMapped(id, gids) {
			return id, true
		}
	}
	return 0, false
}

// isMapped tells whether an id exists in a user namespace whose uid_map or gid_map this is: lines of the first id inside, the
// first outside, and how many there are (user_namespaces(7)).
func isMapped(id uint32, idMap string) bool {
	for line := range strings.Lines(idMap) {
		var first, outside, count uint32
		if _, err := fmt.Sscan(line, &first, &outside, &count); err == nil && id >= first && id-first < count {
			return true
		}
	}
	return false
}
