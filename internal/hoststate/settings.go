package hoststate

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// volatile settings are counters in disguise.
var volatile = map[string]bool{"net/netfilter/nf_conntrack_count": true}

// deprecated settings are shown by others, in milliseconds, as well, and the kernel's log is told of whoever reads these.
var deprecated = []string{"base_reachable_time", "retrans_time"}

// settings reads what can be read below /proc/sys/net, which is the calling thread's namespace's.
func settings(_ context.Context, s *State) error {
	s.saw(Setting)
	return filepath.WalkDir("/proc/sys/net", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // directories of links come and go
		}
		key := strings.TrimPrefix(path, "/proc/sys/")
		if volatile[key] || slices.Contains(deprecated, filepath.Base(key)) {
			return nil
		}
		if value, err := os.ReadFile(path); err == nil { // some are only for writing, or unset
			s.add(Setting, key, strings.TrimSpace(string(value)))
		}
		return nil
	})
}
