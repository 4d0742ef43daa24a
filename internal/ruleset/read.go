package ruleset

import (
	"fmt"
	"strings"

	"github.com/coreos/go-iptables/iptables"
)

// lockWithin is how many seconds iptables waits for the lock that another one holds.
const lockWithin = 10

// Read lists tables of the namespace that the calling thread is in: call it inside netns.NS.Do, and on no path that is
// timed, because it runs iptables, once for its version and once for each table. A table that nobody has used yet has its
// own chains alone.
func Read(tables ...string) (Set, error) { return ReadBy("", tables...) }

// ReadBy is Read by a program other than iptables, such as iptables-legacy.
func ReadBy(name string, tables ...string) (Set, error) {
	ipt, err := iptables.New(iptables.Timeout(lockWithin), iptables.Path(name))
	if err != nil {
		return nil, fmt.Errorf("iptables: %w", err)
	}
	s := Set{}
	for _, table := range tables {
		// Without a chain -S lists all of a table, at one moment; the library, which insists on a word there, hands on -v,
		// with which it counts.
		lines, err := ipt.List(table, "-v")
		if err != nil {
			return nil, err
		}
		for _, line := range lines {
			if strings.HasPrefix(line, "#") {
				continue
			}
			if err := s.add(table, line); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}
